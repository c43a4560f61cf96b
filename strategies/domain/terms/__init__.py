"""The settings that a subscription trades by, and what they come to for one signal. Pure."""
