"""Convert schemas to a normal form, and compare the normal forms."""
