"""The end of a position: the orders sent for it, what it waits for, and how it ended, for people."""
