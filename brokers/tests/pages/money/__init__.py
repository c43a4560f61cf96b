"""What the pages say of an account's money."""
