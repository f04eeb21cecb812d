"""The paths of a stack's files, derived from the data directory and from environment variables.

The data directory contains most files. Sockets, whose paths can have at most 103 bytes, and the lock files of
ports are in another folder of the user, which has a short path. A new supervisor derives this folder from
environment variables; clients read the path of the control socket from the control file in the data
directory.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from infra_runtime.host import disk

if TYPE_CHECKING:
    from pathlib import Path

#: the version of the data directory's files; it is increased if older versions of pytest-infra would misread
#: them
FORMAT = 1
#: the greatest length of a socket's path in bytes. Source: 108 in unix(7), 104 on macOS, both with the NUL
#: byte
SOCKET_PATH = 103
#: the length of `/FOLDER/.s.PGSQL.32767` in bytes: PostgreSQL's socket in a folder whose name has 16 bytes
SOCKET_IN_RUN = 1 + 16 + 1 + 14
#: the name of the control socket in the stack's folder of sockets
SOCKET = ".control"
#: the version of the control socket's methods; it is increased if older clients would misread the answers
PROTOCOL = 3


class Paths:
    """The files and folders of one stack."""

    def __init__(self, data: str, environ: Mapping[str, str] = os.environ) -> None:
        self.data = os.path.realpath(data)
        self.stack = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:12]
        self.home = environ.get("INFRA_RUNTIME_DIR") or f"/tmp/infra-{os.geteuid()}"  # noqa: S108 - checked
        self.run = f"{self.home}/{self.stack}"
        self.ports = f"{self.home}/ports"
        #: the path of a new supervisor's socket; the dot avoids a conflict with the name of a service
        self.control = f"{self.run}/{SOCKET}"
        #: the file that contains the path of the running supervisor's socket
        self.control_file = f"{self.data}/control.json"
        self.lock = f"{self.data}/supervisor.lock"
        self.marker = f"{self.data}/infra.json"
        self.journal = f"{self.data}/events.jsonl"
        self.descendants = f"{self.data}/descendants"
        self.logs = f"{self.data}/logs"
        self.services = f"{self.data}/services"
        self.own_log = f"{self.logs}/supervisor.log"
        self.cache = user_cache(environ) or f"{self.home}/cache"

    def seeds(self) -> str:
        """Return the folder of the seeds: in the user's cache, or, if the cache is read-only, in `home`.

        If neither can be written, the result is the folder in the cache.
        """
        for folder in (self.cache, f"{self.home}/cache"):
            with contextlib.suppress(OSError):
                os.makedirs(f"{folder}/seeds", mode=0o700, exist_ok=True)
                if os.access(f"{folder}/seeds", os.W_OK):
                    return f"{folder}/seeds"
        return f"{self.cache}/seeds"

    def service_data(self, service: str) -> str:
        """Return the data folder of a service: the value of `${data}` in the service's spec."""
        return f"{self.services}/{service}"

    def service_run(self, service: str) -> str:
        """Return the folder for the sockets of a service: the value of `${run}` in the service's spec.

        A hash replaces a service name of more than 16 characters, because the length of a socket's path is
        limited.
        """
        name = service if len(service) <= 16 else hashlib.sha256(service.encode()).hexdigest()[:12]
        return f"{self.run}/{name}"


def plan_folders(data: Path) -> list[Path]:
    """Return the data directories of separate test stacks, which are folders in the data directory `data`.

    Each of these stacks has its own plan. Symbolic links are ignored.
    """
    return [path for path in sorted(data.glob("plan-*")) if disk.is_folder(str(path))]


def user_cache(environ: Mapping[str, str] = os.environ) -> str:
    """Return the folder of pytest-infra in the user's cache: INFRA_CACHE, or a folder in the user's cache.

    The result is empty without INFRA_CACHE and without an absolute path in XDG_CACHE_HOME or HOME.

    Source: XDG Base Directory Specification; Apple's File System Programming Guide.
    """
    if configured := environ.get("INFRA_CACHE"):
        return configured
    cache, home = environ.get("XDG_CACHE_HOME", ""), environ.get("HOME", "")
    if os.path.isabs(cache):  # the specification requires that a relative path is ignored
        return f"{cache}/pytest-infra"
    folder = "Library/Caches" if sys.platform == "darwin" else ".cache"
    return f"{home}/{folder}/pytest-infra" if os.path.isabs(home) else ""


def refusal(folder: str) -> str:
    """Return the reason why no file can be written to a folder, such as a full disk; empty if it is possible.

    This explains failures of programs, which cannot write the reason to their logs on a full disk.
    """
    path = f"{folder}/.infra-{os.getpid()}"
    try:
        with open(path, "wb") as file:
            file.write(bytes(4096))
    except OSError as error:
        return error.strerror or str(error)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)
    return ""
