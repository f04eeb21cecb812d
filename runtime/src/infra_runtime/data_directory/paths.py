"""The paths of a stack's files, derived from its data directory, the same for clients and the supervisor.

The data directory holds what a person may want to look at. Sockets, whose paths may have 103 bytes, and
locks are in a folder of this user with a short path.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import sys
from collections.abc import Mapping

#: raised when the layout of a data directory changes so that an older kit would misread it
FORMAT = 1
#: bytes that a socket's path may have everywhere. Source: unix(7) says 108 with the NUL, macOS 104
SOCKET_PATH = 103
#: a folder of at most 16 bytes, and PostgreSQL's `.s.PGSQL.32767`
SOCKET_IN_RUN = 1 + 16 + 1 + 14
#: raised when the control socket's methods change so that an older client would misread their answers
PROTOCOL = 2


class Paths:
    """The files and folders of one stack."""

    def __init__(self, data: str, environ: Mapping[str, str] = os.environ) -> None:
        self.data = os.path.realpath(data)
        self.stack = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:12]
        self.home = environ.get("INFRA_RUNTIME_DIR") or f"/tmp/infra-{os.geteuid()}"  # noqa: S108 - owner and mode are checked
        self.run = f"{self.home}/{self.stack}"
        self.ports = f"{self.home}/ports"
        self.control = f"{self.run}/control"
        self.lock = f"{self.data}/supervisor.lock"
        self.marker = f"{self.data}/infra.json"
        self.journal = f"{self.data}/events.jsonl"
        self.logs = f"{self.data}/logs"
        self.services = f"{self.data}/services"
        self.own_log = f"{self.logs}/supervisor.log"
        self.cache = user_cache(environ) or f"{self.home}/cache"

    def seeds(self) -> str:
        """Where cached trees lie: with the sockets when the user's cache is not ours to write."""
        for folder in (self.cache, f"{self.home}/cache"):
            with contextlib.suppress(OSError):
                os.makedirs(f"{folder}/seeds", mode=0o700, exist_ok=True)
                if os.access(f"{folder}/seeds", os.W_OK):
                    return f"{folder}/seeds"
        return f"{self.cache}/seeds"

    def service_data(self, service: str) -> str:
        """The folder that `${data}` means."""
        return f"{self.services}/{service}"

    def service_run(self, service: str) -> str:
        """The folder that `${run}` means; short, also for a service with a long name."""
        name = service if len(service) <= 16 else hashlib.sha256(service.encode()).hexdigest()[:12]
        return f"{self.run}/{name}"


def user_cache(environ: Mapping[str, str] = os.environ) -> str:
    """The kit's folder in the user's cache; empty where there is not even a HOME.

    Source: XDG Base Directory Specification; Apple's File System Programming Guide.
    """
    if given := environ.get("INFRA_CACHE"):
        return given
    cache, home = environ.get("XDG_CACHE_HOME", ""), environ.get("HOME")
    if os.path.isabs(cache):  # it says of itself that a relative one is to be ignored
        return f"{cache}/pytest-infra"
    folder = "Library/Caches" if sys.platform == "darwin" else ".cache"
    return f"{home}/{folder}/pytest-infra" if home else ""


def refusal(folder: str) -> str:
    """Why the disk takes nothing in a folder, empty when it does. A program that fails of it can't log it."""
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


def private_folder(path: str) -> None:
    """Make a folder for this user alone, or make sure that it is one.

    Raises `OSError` when somebody else owns it, or may write there: `/tmp` is everybody's.
    """
    os.makedirs(os.path.dirname(path), exist_ok=True)
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        found = os.lstat(path)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise PermissionError(13, "belongs to another user, or is no folder", path) from None
        if found.st_mode & 0o077:
            os.chmod(path, 0o700)
