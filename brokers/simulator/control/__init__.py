"""The control plane below /sim/v1: faults, clock, prices, users, consumers."""
