"""The broker's fills: what is known of them, and how they are counted."""
