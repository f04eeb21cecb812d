"""The commands of `infra export`, one file each."""
