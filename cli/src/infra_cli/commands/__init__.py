"""The commands of `infra`, one folder for each group."""
