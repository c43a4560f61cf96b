"""The pages of trades and of profit: lists with totals, one trade with its way, curves and days."""
