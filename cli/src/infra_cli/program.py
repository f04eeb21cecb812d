"""The console script `infra`, which does not lose a Ctrl-C that comes while Python imports the modules.

Python ignores a `KeyboardInterrupt` that is raised in a finalizer or in the callback of a weak reference.
Each import runs such a callback, so that an early Ctrl-C was ignored in rare cases.
"""

from __future__ import annotations

import signal

#: the number of the last SIGINT before `Interrupts` handles the signals, or 0
received = 0


def main() -> None:
    """Run `infra` with the arguments of the process; this function is the console script."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    try:
        from infra_cli.main import main as run
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    run()


def _interrupt(number: int, _frame: object) -> None:
    global received  # noqa: PLW0603 - a handler has no other place
    received = number
    raise KeyboardInterrupt
