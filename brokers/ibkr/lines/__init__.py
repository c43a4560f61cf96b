"""The lines to a gateway: why none comes about, and which messages of its stream are kept."""
