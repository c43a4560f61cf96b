"""Profit and loss: in which contracts fills have changed, and the rates at which fills count in the account's currency."""
