"""The supervisor: the process that runs the services of one data directory.

The modules of this package import the standard library and pytest-infra only, so that a supervisor boots in
less than 100 ms.
The module `machine` is a pure state machine that decides which actions to execute; the module `supervisor`
executes these actions with the help of the other modules.
"""
