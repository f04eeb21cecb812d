"""The commands of `infra bin`, one file each."""
