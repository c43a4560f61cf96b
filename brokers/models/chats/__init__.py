"""Rows of chats and programs that notices go to."""
