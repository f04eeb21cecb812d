"""The commands of the group `infra config`; each command is one module."""
