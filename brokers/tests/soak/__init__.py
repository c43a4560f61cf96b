"""Orders, faults and crashes at random: what a schedule is, how it is run, and what must hold in both books."""
