"""What people hold and work at the broker beside Halyard: its classes, whose an order is, and what it counts for."""
