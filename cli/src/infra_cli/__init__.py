"""The command line `infra`."""
