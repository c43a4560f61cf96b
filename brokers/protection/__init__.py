"""Positions and entries kept under the stop they were to have: what is missing is seen, and mended as its terms say."""
