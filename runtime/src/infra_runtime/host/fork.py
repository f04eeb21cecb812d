"""Run a function in a forked child process, in which the modules of its parent are already imported.

Only a process with one thread may fork. Source: Python documentation, `os.fork`.
"""

from __future__ import annotations

import os
import signal
import traceback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: the signals for which a supervisor installs handlers
_HANDLED = (signal.SIGCHLD, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)


def fork(run: Callable[[], int], descriptors: Iterable[int]) -> int:
    """Call `run` in a forked child process, and return its pid; `run` returns the exit status of the child.

    After an exception in `run`, the exit status is 1.

    In the child, only the standard streams and `descriptors` are open, and the signals that a supervisor
    handles have their default action.
    """
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in _HANDLED:
            signal.signal(number, signal.SIG_DFL)
        _close_others(descriptors)
        status = run()
    except BaseException:  # noqa: BLE001 - the child must not continue with the code of its parent
        os.write(2, traceback.format_exc().encode(errors="backslashreplace"))
    finally:
        os._exit(status)


def _close_others(descriptors: Iterable[int]) -> None:
    next_descriptor = 3
    for descriptor in sorted(descriptors):
        os.closerange(next_descriptor, descriptor)
        next_descriptor = descriptor + 1
    os.closerange(next_descriptor, os.sysconf("SC_OPEN_MAX"))
