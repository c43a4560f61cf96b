"""Profit and loss: trades made anew from executions once these change, and what is asked of them."""
