"""The books on disk: what is written before an answer leaves, and read when the gateway starts."""
