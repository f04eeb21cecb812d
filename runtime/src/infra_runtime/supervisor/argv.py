"""The command line that starts a supervisor, and the exit status of a supervisor if another already runs."""

from __future__ import annotations

import hashlib
import os
import sys

from infra_runtime.data_directory.paths import Paths

#: the exit status of a supervisor if another supervisor already runs for the same data directory
ALREADY_SUPERVISED = 20
#: the places where a supervisor can store the data of its services: in RAM, or on the disk
TMPFS, DISK = "tmpfs", "disk"
#: modules that the supervisor must not import. asyncio works without `ssl`, which saves a third of the boot
#: time and 4 MB; hashlib works without `_hashlib` (OpenSSL), which saves 3 ms and 3 MB
LEFT_OUT = ("ssl", "_hashlib")


def command(paths: Paths, environment: str, *, tmpfs: bool = True, copies: str = "") -> list[str]:
    """Return the command line that starts a supervisor for a data directory.

    Python runs in isolated mode (-I), without the module `site` (-S), and imports `infra_runtime` from the
    same folder as this process. With `tmpfs`, a supervisor in the environment `test` stores the data of its
    services in RAM if enough memory is free. `copies` is a folder in RAM to which this process may copy
    seeds.
    """
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    # The garbage collector would examine the growing modules many times; `main` enables it after the imports.
    code = f"import gc, sys; gc.disable(); sys.path.append({root!r}); "
    code += f"sys.modules.update(dict.fromkeys({LEFT_OUT!r})); "
    code += f"from infra_runtime.supervisor.code_archive import use; use({_archive(paths, root)!r}); "
    code += "from infra_runtime.supervisor.deferred_modules import defer; defer(); "
    code += "from infra_runtime.supervisor.main import main; sys.exit(main())"
    storage = TMPFS if tmpfs else DISK
    arguments = (paths.data, environment, storage, str(os.getpid()), copies)
    return [sys.executable, "-I", "-S", "-c", code, *arguments]


def _archive(paths: Paths, root: str) -> str:
    """Return the path of the archive for a supervisor that imports `infra_runtime` from the folder `root`."""
    interpreter = f"{sys.implementation.cache_tag}-{sys.base_exec_prefix}"
    key = hashlib.sha256(f"{root} {interpreter}".encode()).hexdigest()[:16]
    return f"{paths.cache}/supervisor/{key}"
