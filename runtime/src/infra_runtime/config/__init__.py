"""Where text enters: command line, environment, files and the configuration service become a plan."""
