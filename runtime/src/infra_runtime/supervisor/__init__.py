"""The local engine: one process for each data directory.

Everything below is standard library alone, so that a supervisor boots in a few ten milliseconds.
`machine` decides, `daemon` does; the rest are the hands of `daemon`.
"""
