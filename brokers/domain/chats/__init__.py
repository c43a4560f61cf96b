"""Chats and programs that notices go to beside e-mail. Pure."""
