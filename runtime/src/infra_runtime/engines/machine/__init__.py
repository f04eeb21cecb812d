"""The engines for process managers other than the supervisor: systemd, and programs that read a Procfile."""

from infra_runtime.engines.machine.environment_file import EnvironmentFile
from infra_runtime.engines.machine.procfile import Procfile
from infra_runtime.engines.machine.systemd import Systemd

__all__ = ["EnvironmentFile", "Procfile", "Systemd"]
