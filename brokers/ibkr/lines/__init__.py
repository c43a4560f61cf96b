"""The lines to a gateway: requests over them as values and as HTTP, why none comes about, silence, what is kept."""
