"""A gateway that speaks Interactive Brokers' Web API and trades on its own books."""
