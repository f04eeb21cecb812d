"""The code that the kinds VictoriaMetrics and VictoriaLogs share: settings, flags, endpoints, container.

Sources: the output of `victoria-metrics --help` and `victoria-logs --help`; for the containers,
`deployment/docker` in the repositories: the entry point is the program, and Alpine contains wget.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from infra_runtime.catalogue import ServiceSettings
from infra_runtime.manifest import Kind
from infra_runtime.services.exporter import as_arguments
from infra_runtime.spec import Container, Exchange, HttpProbe, Send, ServiceSpec


class VictoriaSettings(ServiceSettings):
    """The settings that VictoriaMetrics and VictoriaLogs have in common."""

    #: the age after which data is deleted, at least a day
    retention: str = Field("7d", pattern=r"^[1-9][0-9]*[dwy]$")
    #: further flags of the program, such as `"search.maxSeries" = "1000"`; an empty string means a flag
    #: without a value
    options: Mapping[str, str] = {}


def get(path: str) -> Send:
    """Return a step of a probe that sends a GET request for `path` and keeps the connection open."""
    return Send(text=f"GET {path} HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")


def server(
    settings: VictoriaSettings,
    *,
    kind: Kind,
    program: str,
    image: str,
    folder: str,
    flags: Mapping[str, str],
    paths: Mapping[str, str],
    quiesce: Exchange,
) -> ServiceSpec:
    """Return the spec of a server whose data is in a folder.

    `flags` maps names of other options of `program` to their values; `paths` maps exports to URL paths.
    """
    arguments = as_arguments(
        {
            "httpListenAddr": "${host}:${port.http}",
            "retentionPeriod": settings.retention,
            "loggerLevel": "WARN",
            # Web pages of other servers cannot read the data.
            "http.disableCORS": "",
            **flags,
            **settings.options,
        }
    )
    url, data_folder = "http://${host}:${port.http}", f"/{program}-data"
    return ServiceSpec(
        name=kind.name,
        command=(f"${{bin.{program}}}", f"--storageDataPath=${{data}}/{folder}", *arguments),
        env=settings.env,
        ports=settings.port_map(),
        ready=HttpProbe(port="http", path="/health", contains="OK"),
        exports={
            "url": url,
            "host": "${host}",
            "port": "${port.http}",
            **{name: f"{url}{path}" for name, path in paths.items()},
        },
        needs=settings.needs,
        start_timeout=settings.start_timeout,
        restart=settings.restart,
        quiesce=quiesce,
        container=Container(
            image=settings.image or image,
            uid=65534,
            command=(f"--storageDataPath={data_folder}", *arguments),
            env=settings.env,
            data=data_folder,
            ports=dict(kind.ports),
            health=("wget", "-q", "-O", "/dev/null", "http://127.0.0.1:${port.http}/health"),
        ),
    )
