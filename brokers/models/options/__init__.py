"""Options that orders of ours hold as one."""
