"""The pool of connections to the database."""
