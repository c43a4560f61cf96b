"""Statements as PostgreSQL is to plan them, once for all their values, and how long it may take for one."""
