"""The commands of the group `infra dev`; each command is one module."""
