"""The webhook door as it is usually built, with DRF: what the real one is compared with."""
