"""An advisor's groups of accounts as values: who is in, by which method, and what keeps a group from being one."""
