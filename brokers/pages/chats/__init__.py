"""Pages of the chats and programs that a member gets notices in."""
