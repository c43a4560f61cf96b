"""What IBKR says, in its own words, and what each of its texts means to a person."""
