"""The sources of executables: one module per kind of registry, with the functions `lock` and `fetch`."""
