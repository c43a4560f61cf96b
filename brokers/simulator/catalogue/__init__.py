"""What can be traded, and when: contracts from tables, chains derived from the date, hours, scans."""
