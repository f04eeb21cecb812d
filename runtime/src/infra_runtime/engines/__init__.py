"""Engines bind a plan and render or run it."""
