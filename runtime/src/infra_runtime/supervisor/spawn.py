"""Start a child process in a new session, with its output in a log file.

If a program refuses to run as root, its process does not run as root.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence

from infra_runtime.host import privileges, processes

TYPE_CHECKING = False  # type checkers recognise this name; the boot needs only the names of variables
if TYPE_CHECKING:
    import subprocess

#: the variable that contains the name of the service in the environment of its processes
SERVICE = "INFRA_SERVICE"


def environment_of(environment: str, service: str, token: str) -> dict[str, str]:
    """Return the environment variables of a service's processes, without the variables in its spec."""
    return {**os.environ, "INFRA_ENV": environment, SERVICE: service, processes.TOKEN: token}


def spawn(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: str,
    log: str,
    refuses_root: bool,
    descriptors: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a child process whose output is appended to the file `log`.

    The process inherits `descriptors`, with the same numbers. Raises `OSError` or
    `subprocess.SubprocessError` if the command cannot be executed.
    """
    import subprocess

    prepare: Callable[[], None] | None = None
    if refuses_root and os.geteuid() == 0:
        if privileges.user_namespaces_work():
            prepare = privileges.enter_user_namespace
        else:
            prepare = functools.partial(privileges.switch_user, *privileges.other_user())
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        return subprocess.Popen(
            list(command),
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=descriptors,
            preexec_fn=prepare,  # noqa: PLW1509 - the supervisor has one thread
        )
    finally:
        os.close(output)


def spawn_cause(error: Exception, command: Sequence[str], cwd: str) -> str:
    """Return a part of an error message: why a command cannot start, or why `cwd` cannot be its folder."""
    path = getattr(error, "filename", None) or command[0]
    action = "use the working directory" if path == cwd else "start"
    return f"cannot {action} {path}: {getattr(error, 'strerror', None) or error}"
