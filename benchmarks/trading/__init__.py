"""Who trades in a bench, what they decide, what they have behind them, and what they quarrel about."""
