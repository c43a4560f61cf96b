"""What a message or new terms would do: decided as every signal is, and nothing stored or sent."""
