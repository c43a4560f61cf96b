"""What needs somebody at the broker: ways out that failed, positions without their stop, orders in doubt, lost sessions."""
