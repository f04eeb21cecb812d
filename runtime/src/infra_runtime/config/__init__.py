"""The configuration: command line, environment, files and configuration service are resolved to a plan."""
