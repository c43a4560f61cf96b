"""What processes share through PostgreSQL: locks, notices, and threads for its calls."""
