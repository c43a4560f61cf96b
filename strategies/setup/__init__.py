"""What a trader sets up: strategies with their webhooks, subscriptions, and the defaults of both."""
