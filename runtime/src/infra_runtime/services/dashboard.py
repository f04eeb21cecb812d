"""The dashboard: web pages of the stack, in a process that starts at the first connection."""

from __future__ import annotations

from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, Port, Ports, ServiceSettings
from infra_runtime.contributions import Contributions
from infra_runtime.manifest import KINDS
from infra_runtime.spec import Secret, ServiceSpec

_PORTS = KINDS["dashboard"].ports


class DashboardPorts(Ports):
    http: Port = _PORTS["http"]


class DashboardSettings(ServiceSettings):
    ports: DashboardPorts = DashboardPorts()


def dashboard(settings: DashboardSettings, _: Contributions = ()) -> ServiceSpec:
    """Return the spec of the dashboard.

    The spec has no probe, because the connection of a probe would start the process. It has no container,
    because a container has no supervisor. The URL of the dashboard has its own host name, because browsers
    send the cookies of a host to all ports of this host.
    """
    return ServiceSpec(
        name="dashboard",
        command=(
            "${bin.jinja2}",
            # With -P, Python does not import files of the working directory, which is the data folder.
            "-P",
            "-m",
            "infra_runtime.dashboard",
            "--name=${stack.service}",
            "--port=${port.http}",
            "--data=${stack.data}",
            "--root=${root}",
            "--folder=${data}",
        ),
        env=settings.env,
        prepare=(Secret(path="${data}/key.secret"),),
        ports=settings.port_map(),
        ports_may_vary="ports" not in settings.model_fields_set,
        starts_on_connection=True,
        # Snapshots do not contain these files: if old files were restored, ended sessions would be valid
        # again, and the audit log would lose entries.
        in_snapshots=False,
        exports={
            "url": "http://${stack.service}.localhost:${port.http}",
            "host": "${host}",
            "port": "${port.http}",
            "api_url": "http://${host}:${port.http}",
            "key": "${secret.key}",
        },
        sensitive=("key",),
        needs=settings.needs,
        start_timeout=settings.start_timeout,
        restart=settings.restart,
    )


ENTRY = Entry(
    settings=DashboardSettings,
    make=dashboard,
    # The interpreter of this environment, which has the libraries.
    binaries=(Binary(name="jinja2", module="jinja2 prometheus_client starlette uvicorn"),),
)
