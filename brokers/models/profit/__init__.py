"""Profit and loss: in which contracts fills have changed, the rates at which fills count in the account's currency, and what was held before."""
