"""The local engine: clients of a supervisor on this machine."""
