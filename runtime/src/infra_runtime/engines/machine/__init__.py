"""The engines for other process managers of one machine: systemd, and the programs that read a Procfile."""

from infra_runtime.engines.machine.environment_file import EnvironmentFile
from infra_runtime.engines.machine.procfile import Procfile
from infra_runtime.engines.machine.systemd import Systemd

__all__ = ["EnvironmentFile", "Procfile", "Systemd"]
