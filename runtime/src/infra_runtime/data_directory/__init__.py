"""The files of one stack: paths, lock, journal, logs, wipe and leak check. Standard library only."""
