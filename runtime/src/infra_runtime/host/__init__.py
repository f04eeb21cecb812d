"""What the machine offers: processes, ports, shared memory, file copies. Standard library only."""
