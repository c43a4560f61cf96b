"""The brokerage session as a pure machine: its states, their words, IBKR's nights, and who may take it over."""
