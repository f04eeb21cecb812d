"""Engines replace the references of a plan by values, and write the plan as files or run it."""
