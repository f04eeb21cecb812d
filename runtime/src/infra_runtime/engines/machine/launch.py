"""Return the command line that starts the launcher. This module does not import the launcher."""

from __future__ import annotations

#: the module that starts one service
MODULE = "infra_runtime.engines.machine.launcher"
