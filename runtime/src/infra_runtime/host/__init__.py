"""Access to the operating system: processes, ports, shared memory, file copies. Standard library only."""
