"""How a supervisor is started, and how it says no: all that a client needs to know of its boot."""

from __future__ import annotations

import os
import sys

from infra_runtime.data_directory.paths import Paths

#: the exit status of one that found the data directory served by another
ALREADY_SUPERVISED = 20
#: the third argument: ports are leased from a range, or the ones that are documented
LEASED, FIXED = "leased", "fixed"
#: Both are written to be missed: asyncio does without ssl, a third of the boot and 4 MB, and hashlib without
#: OpenSSL, 3 ms and 3 MB.
LEFT_OUT = ("ssl", "_hashlib")


def command(paths: Paths, environment: str, *, leased: bool) -> list[str]:
    """The argv that starts a supervisor: isolated, without site, from exactly this package."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    code = f"import sys; sys.path.insert(0, {root!r}); sys.modules.update(dict.fromkeys({LEFT_OUT!r})); "
    code += "from infra_runtime.supervisor.main import main; sys.exit(main())"
    python = [sys.executable, "-I", "-S", "-c", code]
    return [*python, paths.data, environment, LEASED if leased else FIXED]
