"""Create a plan from the command line, environment variables, files and the configuration service."""
