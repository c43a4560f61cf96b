"""The URL that senders post to: who may send, what is stored, and what the sender is told."""
