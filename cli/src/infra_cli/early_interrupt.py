"""The handler of Ctrl-C while Python imports the modules of a command.

Python ignores a `KeyboardInterrupt` that is raised in a finalizer or in the callback of a weak reference.
Each import runs such a callback. Therefore the handler also records the signal, and a command that runs for
long checks the record before it starts.
"""

from __future__ import annotations

import signal

#: the number of SIGINT if the process received SIGINT before the command handles signals itself, or else 0
received = 0


def install() -> None:
    """Record SIGINT from now on, unless the process ignores SIGINT or already has a handler for it."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _record)


def _record(number: int, _frame: object) -> None:
    global received  # noqa: PLW0603 - a handler has no other place
    received = number
    raise KeyboardInterrupt
