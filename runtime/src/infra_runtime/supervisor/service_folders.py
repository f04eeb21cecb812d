"""Determine where the data folders of services are: in the data directory, or, in tests, in RAM."""

from __future__ import annotations

import os

from infra_runtime.data_directory import memory_folder
from infra_runtime.data_directory.paths import Paths
from infra_runtime.host import memory

_OFF = "set `tmpfs = false` in the stack file, or INFRA_TMPFS=false, to keep the data on the disk"


class ServiceFolders:
    """The folder that contains the data folders of all services; it is created when the supervisor starts.

    If the folder is in RAM, the constructor sets `paths.services` to its path.
    """

    def __init__(self, paths: Paths, *, in_memory: bool) -> None:
        self._paths = paths
        #: the path of the folder in RAM; empty if the data are on the disk
        self.memory = ""
        #: the descriptors that the guardian also holds, so that the folder in RAM stays locked
        self.locks: tuple[int, ...] = ()
        #: why the data are on the disk although `in_memory` is true
        self.reason = memory.obstacle() if in_memory else ""
        self._is_low = False
        if in_memory and not self.reason:
            try:
                self.memory, descriptor = memory_folder.create(paths)
            except OSError as error:
                self.reason = f"{error.filename or memory.TMPFS}: {error.strerror or error}"
            else:
                self.locks = (descriptor,)
                paths.services = f"{self.memory}/{memory_folder.SERVICES}"
        if self.reason:
            self.reason = f"the data of the services are on the disk: {self.reason}"

    def renew(self) -> str:
        """Create the folder in RAM again if another program has removed it; return a message for the journal.

        The message is empty if the folder exists. Raises `OSError` if the folder cannot be created.
        """
        if not self.memory or os.path.lexists(self.memory):
            return ""
        self.locks = (*self.locks, memory_folder.make(self._paths, self.memory))
        return f"{self.memory} was removed while the stack was running; its services start again without data"

    def warning(self) -> str:
        """Return a warning when the free space in RAM becomes low; otherwise an empty text.

        While the space stays low, later calls return an empty text.
        """
        if not self.memory:
            return ""
        try:
            free_bytes, place = memory.room()
        except OSError:
            return ""
        was_low, self._is_low = self._is_low, free_bytes < (memory.RECOVERED if self._is_low else memory.LOW)
        if was_low or not self._is_low:
            return ""
        free = memory.megabytes(free_bytes)
        return f"{place} has only {free} free for the data of the services in RAM; {_OFF}"
