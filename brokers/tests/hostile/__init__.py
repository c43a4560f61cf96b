"""A gateway that means harm, beside a good one."""
