"""The program that starts in an image with several services: all services, one of them, or another command.

This file is copied to the image. pytest-infra is not installed there, so this file uses only the standard
library, and works with Python 3.8.

    docker run IMAGE                       all services
    docker run IMAGE api                   the service `api`
    docker run IMAGE migrate --fake        the task `migrate`, with an argument
    docker run IMAGE python -m shop.admin  another command
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

#: the file with the roles, in the folder of this file
ROLES = "roles.json"
#: the file with the names of the running roles, for the health check, which is another process
RUNNING = os.environ.get("INFRA_LAUNCHER_STATE", "/tmp/infra-roles")  # noqa: S108 - of the container
#: the seconds in which the services must exit after a signal
PATIENCE = 10.0
_MISSING = 127


def main(words: list[str]) -> int:
    """Start the services or the command that the arguments `words` name, and return the exit code."""
    roles = json.loads(Path(__file__).with_name(ROLES).read_text(encoding="utf-8"))
    if words == ["--health"]:
        return _health(roles)
    if words in ([], ["all"]):
        return _run_all({name: role for name, role in roles.items() if not role["task"]})
    name, arguments = words[0], words[1:]
    role = roles.get(name)
    if role is not None:
        _record([name])
        os.environ.update(_missing(role["env"]))
        os.chdir(role["folder"])
        words = [*role["command"], *arguments]
    try:
        os.execvp(words[0], words)  # noqa: S606 - without a shell
    except OSError as error:
        names = ", ".join(sorted(roles))
        print(f"{words[0]}: {error.strerror}; the roles of this image are: {names}", file=sys.stderr)
        return _MISSING


def _missing(env: dict[str, str]) -> dict[str, str]:
    """Return those variables of a role that are not set in the container."""
    return {name: value for name, value in env.items() if name not in os.environ}


def _record(names: list[str]) -> None:
    Path(RUNNING).write_text(json.dumps(names), encoding="utf-8")


def _run_all(roles: dict[str, Any]) -> int:
    """Run all services until one exits or a signal arrives; then stop the others."""
    _record(list(roles))
    received: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: received.append(number))
    running = {
        name: subprocess.Popen(role["command"], env={**role["env"], **os.environ}, cwd=role["folder"])
        for name, role in roles.items()
    }
    code = 0
    while not received and not code:
        time.sleep(0.1)
        for name, process in running.items():
            if process.poll() is not None:
                print(
                    f"{name} exited with {process.returncode}; the other services are stopped",
                    file=sys.stderr,
                )
                code = abs(process.returncode) or 1
    _stop(list(running.values()))
    return code


def _stop(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.poll() is None:
            process.terminate()
    deadline = time.monotonic() + PATIENCE
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _health(roles: dict[str, Any]) -> int:
    """Return 0 if the health checks of all running services succeed, and otherwise 1."""
    try:
        names = json.loads(Path(RUNNING).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 1
    checks = [roles[name]["health"] for name in names if roles[name]["health"]]
    return int(any(subprocess.run(check, check=False).returncode for check in checks))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
