"""How a supervisor is started, and how it says no: all that a client needs to know of its boot."""

from __future__ import annotations

import os
import sys

from infra_runtime.supervisor.places import Places

#: the exit status of one that found the data directory served by another
ALREADY_SUPERVISED = 20


def command(places: Places, environment: str, *, leased: bool) -> list[str]:
    """The argv that starts a supervisor: isolated, without site, from exactly this package."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    # asyncio does without ssl when it isn't there, and so do we: it is a third of the boot and 4 MB.
    code = f"import sys; sys.path.insert(0, {root!r}); sys.modules['ssl'] = None; "
    code += "from infra_runtime.supervisor.boot import main; sys.exit(main())"
    flags = ["--leased-ports"] if leased else []
    python = [sys.executable, "-I", "-S", "-c", code]
    return [*python, "--data", places.data, "--environment", environment, *flags]
