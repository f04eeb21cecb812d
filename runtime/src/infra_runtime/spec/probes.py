"""Probes: how the supervisor finds out that a service is ready, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpProbe:
    """Ready when the port accepts a connection. The weakest probe: for protocols without a better one."""

    port: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpProbe:
    """Ready when a GET returns a status within `status` (inclusive) and a body that contains `contains`."""

    port: str
    path: str = "/"
    status: tuple[int, int] = (200, 399)
    contains: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresProbe:
    """Ready when a start-up packet is answered with a request for authentication (not with 57P03, starting).

    Source: PostgreSQL documentation, "Frontend/Backend Protocol", message flow of start-up.
    """

    port: str
    user: str = "postgres"
    database: str = "postgres"


@dataclass(frozen=True, slots=True, kw_only=True)
class RespProbe:
    """Ready when PING returns PONG or a demand to log in (not LOADING). Source: RESP protocol."""

    port: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NatsProbe:
    """Ready when the server sends INFO and answers PING with PONG. Source: NATS client protocol."""

    port: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecProbe:
    """Ready when a command exits with 0 within `timeout` seconds."""

    command: tuple[str, ...]
    timeout: float = 5.0


Probe: TypeAlias = TcpProbe | HttpProbe | PostgresProbe | RespProbe | NatsProbe | ExecProbe


@dataclass(frozen=True, slots=True, kw_only=True)
class RespSave:
    """Write the memory to the disk with SAVE, before a snapshot copies it. Source: Valkey commands."""

    port: str


Quiesce: TypeAlias = RespSave
