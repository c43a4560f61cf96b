"""Notices on their way to chats and programs."""
