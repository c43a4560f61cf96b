"""The pace that processes share: its ledger, Valkey, and what happens without it."""
