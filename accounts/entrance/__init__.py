"""Who comes in: the client's address, the limits of sign-in, the cache that counts them, and who may operate."""
