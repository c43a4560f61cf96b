"""Products a chart and the broker name differently: futures, their months and when they roll, and what cannot be bought."""
