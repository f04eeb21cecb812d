"""Benchmarks: ratios from one run, with the machine and the spread. `python -m benchmarks` runs them all."""
