"""The broker's fills: each kept once, given to its order, and counted there."""
