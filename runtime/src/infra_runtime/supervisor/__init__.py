"""The supervisor: the process that runs the services of one data directory.

The modules of this package import the standard library only, so that a supervisor boots in less than 100 ms.
`machine` decides what happens next, `supervisor` carries the decisions out with the help of the other
modules.
"""
