"""The commands of the group `infra export`; each command is one module."""
