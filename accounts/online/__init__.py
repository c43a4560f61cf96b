"""Changes to tables that a migration makes while people trade, on a database of any size."""
