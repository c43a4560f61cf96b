"""What an armed fault does to a call, to its answer and to a websocket message."""
