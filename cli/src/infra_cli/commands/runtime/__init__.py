"""The commands of `infra runtime`, one file each."""
