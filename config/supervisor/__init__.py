"""The processes of `make run`: started, watched, shown, and the port they need."""
