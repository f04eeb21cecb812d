"""The commands of the group `infra runtime`; each command is one module."""
