"""The two answers of a decision, what the orders of a plan cost, and what an approver may change. Pure."""
