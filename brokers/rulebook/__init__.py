"""What Interactive Brokers allows, charges, requires and fills: pure answers, no clock, no network, no database."""
