"""Benchmarks of pytest-infra.

`python -m benchmarks` runs all of them. Each benchmark prints times or memory, ratios to a baseline, their
spread, and the properties of the machine.
"""
