"""The commands of `infra`; each group of commands has its own folder."""
