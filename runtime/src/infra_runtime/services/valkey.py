"""Valkey, or Redis if only the executable of Redis is found."""

from __future__ import annotations

from infra_runtime.catalogue import Entry, Port, Ports
from infra_runtime.contributions import Contributions
from infra_runtime.manifest import KINDS
from infra_runtime.services import resp
from infra_runtime.spec import ServiceSpec

IMAGE = "valkey/valkey:8.1.10-alpine"

_PORTS = KINDS["valkey"].ports


class ValkeyPorts(Ports):
    client: Port = _PORTS["client"]


class ValkeySettings(resp.RespSettings):
    ports: ValkeyPorts = ValkeyPorts()


def valkey(settings: ValkeySettings, _: Contributions = ()) -> ServiceSpec:
    """Return the spec of a Valkey server."""
    return resp.server("valkey", settings, IMAGE)


ENTRY = Entry(
    settings=ValkeySettings,
    make=valkey,
    binaries=(resp.VALKEY,),
    defaults=resp.DEFAULTS,
    protocols={"resp": resp.READY},
)
