"""Create a plan from command-line options, environment variables, files and the configuration service."""
