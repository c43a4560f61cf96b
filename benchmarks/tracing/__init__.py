"""Every statement and every call of a running product, written down by each process, and one order's way as a tree."""
