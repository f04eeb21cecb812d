"""The supervisor: the process that runs the services of one data directory.

The modules of this package import the standard library only, so that a supervisor boots in less than 100 ms.
The module `machine` contains the decisions (a pure state machine); `supervisor` executes them with the help
of the other modules.
"""
