"""Secrets at rest: what is stored under HALYARD_ENCRYPTION_KEYS, read back, and put under a new key."""
