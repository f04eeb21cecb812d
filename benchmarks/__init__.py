"""Benchmarks, which print ratios, their spread, and the machine. `python -m benchmarks` runs all of them."""
