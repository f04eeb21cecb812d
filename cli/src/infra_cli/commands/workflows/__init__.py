"""The commands of the group `infra workflows`; each command is one module."""
