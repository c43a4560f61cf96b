"""The message to paste at a sender, in the sender's own placeholders. Pure."""
