"""The trading rules: message, terms and snapshot into a plan or a rejection. Pure."""
