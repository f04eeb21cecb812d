"""Access to the operating system: processes, ports, memory, files.

The modules of this package import the standard library and pytest-infra only.
"""
