"""Several targets of one entry: their parts, and the orders that they leave as."""
