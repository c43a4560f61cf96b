"""The REST API of strategies, subscriptions, signals, decisions and guards."""
