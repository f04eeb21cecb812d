"""The local engine: it starts a supervisor on this machine, and is the supervisor's client."""
