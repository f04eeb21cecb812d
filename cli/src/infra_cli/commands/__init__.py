"""A file for each command group."""
