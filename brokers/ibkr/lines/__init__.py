"""The lines to a gateway: why none comes about, how long one is quiet, and which messages of its stream are kept."""
