"""Engines: they replace the references of a plan by values, and then write the plan as files or run it."""
