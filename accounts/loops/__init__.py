"""What the event loops of all processes have in common."""
