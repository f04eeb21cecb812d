"""The commands of `infra config`, one file each."""
