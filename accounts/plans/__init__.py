"""How statements stand that PostgreSQL is to plan once for all their values."""
