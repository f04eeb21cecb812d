"""The commands of `infra dev`, one file each."""
