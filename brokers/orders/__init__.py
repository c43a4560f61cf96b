"""Our orders out, their changes and cancels, and the broker's news of them home."""
