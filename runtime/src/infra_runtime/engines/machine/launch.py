"""The name of the launcher's module, in a module that does not import the launcher."""

from __future__ import annotations

#: the module that starts one service
MODULE = "infra_runtime.engines.machine.launcher"
