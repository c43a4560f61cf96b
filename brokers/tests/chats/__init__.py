"""Notices to chats and programs."""
