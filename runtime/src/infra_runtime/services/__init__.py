"""The kinds that ship with the kit, one module each: the settings, and the function that makes a spec."""
