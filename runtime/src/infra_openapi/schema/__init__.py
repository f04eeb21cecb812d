"""The schema algebra: every schema in one normal form, and what changed between two of them."""
