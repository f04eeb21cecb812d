"""The files of one stack: paths, lock, journal, logs, wipe and leak check.

The modules of this package import the standard library and pytest-infra only.
"""
