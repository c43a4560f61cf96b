"""The tables of the rulebook as a person looks them up."""
