"""Django's PostgreSQL engine, with a pool that asks no connection that was used a moment ago whether it still lives."""
