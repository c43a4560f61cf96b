"""The REST API of connections, accounts, positions, orders and executions."""
