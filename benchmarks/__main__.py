"""What `make bench` runs: the door, the reading, a decision, a fan-out, the walk and the rulebook, one after the other."""

from __future__ import annotations

from benchmarks import bench_decide, bench_door, bench_fanout, bench_parsing, bench_rulebook, bench_walk


def main() -> None:
    print("The webhook door")
    bench_door.main([])
    print("\nReading a message")
    bench_parsing.main()
    print("\nA decision")
    bench_decide.main([])
    print("\nOne signal to a thousand subscriptions")
    bench_fanout.main([])
    print("\nThe walk")
    bench_walk.main([])
    print("\nThe rulebook")
    rate = bench_rulebook.measure(5.0)
    print(f"validate + fee + margin: {rate:,.0f} a second on one core (goal {bench_rulebook.GOAL:,})")


if __name__ == "__main__":
    main()
