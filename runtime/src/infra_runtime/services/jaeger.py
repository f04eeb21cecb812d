"""Jaeger, a store of traces, which receives the spans that the telemetry service forwards.

Sources: Jaeger documentation, "Configuration", "Badger" and "APIs"; the files of `cmd/jaeger` in its
repository; for the container jaegertracing/jaeger, `cmd/jaeger/Dockerfile`: the entry point is the program,
and the image contains no other program for a health check.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, Port, Ports, ServiceSettings, overlaid
from infra_runtime.contributions import TRACE_SINK, Contributions
from infra_runtime.manifest import KINDS
from infra_runtime.spec import Container, HttpProbe, ServiceSpec, WriteFile

IMAGE = "jaegertracing/jaeger:2.13.0"
_FILE, _CONTAINER_FILE = "${data}/jaeger.json", "/etc/jaeger/jaeger.json"
_CONTAINER_DATA = "/badger"
_STORE = "main"

_PORTS = KINDS["jaeger"].ports


class JaegerPorts(Ports):
    query: Port = _PORTS["query"]
    otlp: Port = _PORTS["otlp"]
    otlp_grpc: Port = _PORTS["otlp_grpc"]
    query_grpc: Port = _PORTS["query_grpc"]
    health: Port = _PORTS["health"]


class JaegerSettings(ServiceSettings):
    ports: JaegerPorts = JaegerPorts()
    #: whether traces are stored in files or only in memory
    storage: Literal["badger", "memory"] = "badger"
    #: the largest number of traces that are stored in memory
    max_traces: int = Field(10_000, ge=1, le=1_000_000)
    #: further keys of the configuration; tables are merged
    options: Mapping[str, Any] = {}


def jaeger(settings: JaegerSettings, _: Contributions = ()) -> ServiceSpec:
    """Return the spec of a Jaeger that receives OTLP over HTTP and gRPC."""
    text = _configuration(settings, "${data}")
    return ServiceSpec(
        name="jaeger",
        command=("${bin.jaeger}", f"--config={_FILE}"),
        env=settings.env,
        prepare=(WriteFile(path=_FILE, text=text, json=True),),
        ports=settings.port_map(),
        ready=HttpProbe(port="health", path="/status", contains="StatusOK"),
        exports={
            "url": "http://${host}:${port.query}",
            "host": "${host}",
            "port": "${port.query}",
            "otlp_url": "http://${host}:${port.otlp}",
            "otlp_grpc_url": "http://${host}:${port.otlp_grpc}",
        },
        needs=settings.needs,
        start_timeout=settings.start_timeout,
        restart=settings.restart,
        container=Container(
            image=settings.image or IMAGE,
            uid=10001,
            command=(f"--config={_CONTAINER_FILE}",),
            env=settings.env,
            files={_CONTAINER_FILE: _configuration(settings, _CONTAINER_DATA)},
            data=_CONTAINER_DATA if settings.storage == "badger" else "",
            ports=dict(_PORTS),
        ),
    )


def _configuration(settings: JaegerSettings, data_folder: str) -> str:
    """Return the configuration as JSON, which is also YAML."""
    folders = {"keys": f"{data_folder}/traces/keys", "values": f"{data_folder}/traces/values"}
    stores = {
        "badger": {"badger": {"directories": folders, "ephemeral": False}},
        "memory": {"memory": {"max_traces": settings.max_traces}},
    }
    configuration: dict[str, Any] = {
        "service": {
            "extensions": ["jaeger_storage", "jaeger_query", "healthcheckv2"],
            "pipelines": {
                "traces": {"receivers": ["otlp"], "exporters": ["jaeger_storage_exporter"]},
            },
            # By default, the process also listens on a port for its own metrics.
            "telemetry": {"metrics": {"level": "none"}, "logs": {"level": "warn"}},
        },
        "extensions": {
            "jaeger_storage": {"backends": {_STORE: stores[settings.storage]}},
            "jaeger_query": {
                "storage": {"traces": _STORE},
                "http": {"endpoint": "${host}:${port.query}"},
                "grpc": {"endpoint": "${host}:${port.query_grpc}"},
            },
            "healthcheckv2": {"use_v2": True, "http": {"endpoint": "${host}:${port.health}"}},
        },
        "receivers": {
            "otlp": {
                "protocols": {
                    "http": {"endpoint": "${host}:${port.otlp}"},
                    "grpc": {"endpoint": "${host}:${port.otlp_grpc}"},
                }
            }
        },
        "exporters": {"jaeger_storage_exporter": {"trace_storage": _STORE}},
    }
    return json.dumps(overlaid(configuration, settings.options), indent=2, ensure_ascii=False)


ENTRY = Entry(
    settings=JaegerSettings,
    make=jaeger,
    binaries=(Binary(name="jaeger"),),
    roles=(TRACE_SINK,),
    defaults={"test": {"storage": "memory"}},
)
