"""Redis, or Valkey if the executable of Redis is missing.

The recipe and the image contain a version of Redis with the licence BSD-3-Clause. Redis 7.4 and later
versions have other licences.
Source: Redis, "LICENSE.txt" of the branches 7.2 and 7.4.
"""

from __future__ import annotations

from infra_runtime.catalogue import Entry, Port, Ports
from infra_runtime.contributions import Contributions
from infra_runtime.manifest import KINDS
from infra_runtime.services import resp
from infra_runtime.spec import ServiceSpec

IMAGE = "redis:7.2.7-alpine"

_PORTS = KINDS["redis"].ports


class RedisPorts(Ports):
    client: Port = _PORTS["client"]


class RedisSettings(resp.RespSettings):
    ports: RedisPorts = RedisPorts()


def redis(settings: RedisSettings, _: Contributions = ()) -> ServiceSpec:
    """Return the spec of a Redis server."""
    return resp.server("redis", settings, IMAGE)


ENTRY = Entry(settings=RedisSettings, make=redis, binaries=(resp.REDIS,), defaults=resp.DEFAULTS)
