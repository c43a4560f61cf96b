"""What bench_browsers measures with: many open pages, and the least that a server of pushes can be."""
