"""The decision table: message, terms and book into a plan or a rejection. Pure."""
