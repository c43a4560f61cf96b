"""Profit and loss from executions: round trips by average price, what each day brought, and figures over many trades."""
