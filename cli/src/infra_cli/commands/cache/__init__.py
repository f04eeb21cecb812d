"""The commands of `infra cache`, one file each."""
