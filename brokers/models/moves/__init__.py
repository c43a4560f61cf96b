"""How rows of ours move from one status to the next, and what is written of each move."""
