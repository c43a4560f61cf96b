"""The websocket and its topics."""
