"""The exporter of the metrics of Valkey and Redis.

Sources: redis_exporter's README, "Command line flags"; for the container, oliver006/redis_exporter,
`docker/Dockerfile.amd64`, target `alpine`: `/redis_exporter` is the entry point.
"""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field

from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, Port, Ports
from infra_runtime.contributions import Contributions
from infra_runtime.manifest import KINDS
from infra_runtime.services import exporter
from infra_runtime.spec import ServiceSpec

IMAGE = "oliver006/redis_exporter:v1.67.0-alpine"
_KIND = KINDS["redis-exporter"]
_PROGRAM = "prometheus-redis-exporter"


class RedisExporterPorts(Ports):
    http: Port = _KIND.ports["http"]


class RedisExporterSettings(exporter.ExporterSettings):
    ports: RedisExporterPorts = RedisExporterPorts()
    #: the service whose metrics are exported; it exports `url`
    target: str = Field(_KIND.target, pattern=exporter.SERVICE)


def redis_exporter(settings: RedisExporterSettings, _: Contributions = ()) -> ServiceSpec:
    """Return the spec of an exporter that logs in to its target; the password is in the environment."""
    env = {"REDIS_ADDR": f"${{{settings.target}.url}}"}
    arguments = exporter.flags(settings, {})
    spec = exporter.exporter(settings, program=_PROGRAM, arguments=arguments, env=env, ready="redis_up 1")
    return replace(spec, container=exporter.container(settings, image=IMAGE, arguments=arguments, env=env))


ENTRY = Entry(
    settings=RedisExporterSettings,
    make=redis_exporter,
    binaries=(Binary(name=_PROGRAM, aliases=("redis_exporter",)),),
    contributions=exporter.contributions("cache"),
)
