"""What a signal may say, what a subscription trades by, and what comes of both. Pure."""
