"""HTTP: who calls, whether they may, and the answer as a response."""
