"""What people hold over the machine: stops, limits, approvals, and what needs them now."""
