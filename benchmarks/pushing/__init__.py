"""What bench_browsers measures with: renderings alone, many open pages, and the least that a server of pushes can be."""
