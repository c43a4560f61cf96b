"""What a lane does about an advisor's groups: it sends what people want of them, and reads them."""
