"""The handler of Ctrl-C while Python imports the modules of a command.

Python ignores a `KeyboardInterrupt` that is raised in a finalizer or in the callback of a weak reference.
Each import runs such a callback. Therefore the handler also records the signal, and `infra runtime up` checks
the record at its start.
"""

from __future__ import annotations

import signal

#: the signal number of SIGINT if the process has received SIGINT before the command handles signals,
#: otherwise 0
received = 0


def install() -> None:
    """Install the handler that records SIGINT, unless SIGINT is ignored or already has another handler."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _record)


def _record(number: int, _frame: object) -> None:
    global received  # noqa: PLW0603 - a signal handler cannot return a value
    received = number
    raise KeyboardInterrupt
