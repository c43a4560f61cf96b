"""What people may fill in. Forms read; activities write."""
