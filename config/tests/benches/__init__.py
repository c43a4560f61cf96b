"""The table that `make bench` ends with."""
