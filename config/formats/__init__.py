"""How the operator's pages write dates and times: the year first, as every other page does."""
