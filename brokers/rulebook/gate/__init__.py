"""Would the broker take this order: each check, its reason, and when the order expires."""
