"""The place of the services' data folders: the data directory, or in the environment `test` a RAM folder."""

from __future__ import annotations

import os

from infra_runtime.data_directory import memory_folder
from infra_runtime.data_directory.paths import Paths
from infra_runtime.host import memory

_OFF = "set `tmpfs = false` in the stack file, or INFRA_TMPFS=false, to keep the data on the disk"


class ServiceFolders:
    """The choice of the folder that contains the services' folders, made when the supervisor starts.

    If the folder is in RAM, `paths.services` is set to the path of the folder.
    """

    def __init__(self, paths: Paths, *, in_memory: bool) -> None:
        self._paths = paths
        #: the folder in RAM, or an empty text
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
        """Create the folder in RAM again if another program has removed it.

        Return a message for the journal; it is empty if the folder existed. Raises `OSError`.
        """
        if not self.memory or os.path.lexists(self.memory):
            return ""
        self.locks = (*self.locks, memory_folder.make(self._paths, self.memory))
        return f"{self.memory} was removed while the stack was running; services start again without data"

    def warning(self) -> str:
        """Return a warning if the free space in RAM is low, but only once until there is enough again."""
        if not self.memory:
            return ""
        try:
            left, where = memory.room()
        except OSError:
            return ""
        was_low, self._is_low = self._is_low, left < (memory.RECOVERED if self._is_low else memory.LOW)
        if was_low or not self._is_low:
            return ""
        return f"{where} has {memory.megabytes(left)} left for the data of the services in RAM; {_OFF}"
