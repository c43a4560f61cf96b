"""What a subscription of an advisor's group is decided by: the group's accounts, looked at together."""
