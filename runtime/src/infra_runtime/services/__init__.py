"""The kinds of pytest-infra, one module each: the settings, and the function that makes a spec."""
