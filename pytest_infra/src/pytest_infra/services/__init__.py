"""One package per kind of service: everything that the plugin knows about it."""
