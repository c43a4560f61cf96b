"""The URL that senders post to: checks the sender, stores the delivery, answers."""
