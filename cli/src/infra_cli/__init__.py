"""The command-line program `infra`."""
