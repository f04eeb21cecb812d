"""The command line of the launcher, without importing the launcher."""

from __future__ import annotations

#: the module that starts one service
MODULE = "infra_runtime.engines.machine.launcher"
