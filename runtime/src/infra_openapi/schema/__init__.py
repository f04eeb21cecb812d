"""Bring schemas into a normal form, and compare them."""
