"""The line to open pages: who may listen, and how a push gets there."""
