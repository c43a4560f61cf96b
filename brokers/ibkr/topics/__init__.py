"""What a live stream is asked for, topic by topic, and what its messages say."""
