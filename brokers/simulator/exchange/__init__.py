"""The exchange and its books in memory: orders, fills, money, margin, settlement."""
