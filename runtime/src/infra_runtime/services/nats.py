"""NATS with JetStream.

Sources: NATS documentation, "Server configuration" and "Monitoring"; for the container nats-io/nats-docker,
`2.12.x/alpine3.22/Dockerfile` and `docker-entrypoint.sh`, which passes arguments that begin with `-` on to
`nats-server`. The image without a suffix in its tag contains only `nats-server`, and no program for a health
check.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import Field

from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, Port, Ports, ServiceSettings, overlaid
from infra_runtime.contributions import Contributions
from infra_runtime.manifest import KINDS
from infra_runtime.spec import (
    Container,
    Exchange,
    Expect,
    HttpProbe,
    Secret,
    Send,
    ServiceSpec,
    Step,
    WriteFile,
)

IMAGE = "nats:2.12.15-alpine3.22"
_CONTAINER_FILE = "/etc/nats/nats-server.conf"
#: the variable of the container with the password of the accounts for tests
_PASSWORD = "INFRA_ACCOUNTS_PASSWORD"  # noqa: S105 - the name of a variable

_PORTS = KINDS["nats"].ports


class NatsPorts(Ports):
    client: Port = _PORTS["client"]
    monitor: Port = _PORTS["monitor"]


class NatsSettings(ServiceSettings):
    ports: NatsPorts = NatsPorts()
    #: whether the log lines of the other services are copied to a stream; in development, this is the default
    forward_logs: bool = False
    #: whether clients need the password in `url`; the setting has no effect if `options` defines users or
    #: accounts
    auth: bool = True
    #: the number of accounts `test1`, `test2`, … for tests with the pytest plugin; each account delays the
    #: start by 1.5 ms
    accounts: int = Field(0, ge=0, le=1000)
    #: further keys of the server's configuration, such as `max_payload`; tables are merged
    options: Mapping[str, Any] = {}


def nats(settings: NatsSettings, _: Contributions = ()) -> ServiceSpec:
    """Return the spec of a NATS server that keeps JetStream's data on disk; ready when JetStream is ready."""
    configuration: dict[str, Any] = {
        "server_name": "infra",
        "listen": "${host}:${port.client}",
        "http": "${host}:${port.monitor}",
        "jetstream": {"store_dir": "${data}/jetstream"},
    }
    exports = {
        "url": "nats://${host}:${port.client}",
        "monitor_url": "http://${host}:${port.monitor}",
        "host": "${host}",
        "port": "${port.client}",
    }
    container = _container(settings, configuration, exports)
    auth = settings.auth and not _AUTH & settings.options.keys()
    health = "/healthz?js-enabled-only=true"
    prepare: tuple[Step, ...] = ()
    if auth:
        prepare = (Secret(path="${data}/password.secret"), Secret(path="${data}/monitor.secret"))
        # The pages of every web site can read the answers of the monitoring endpoint, and no option prevents
        # this. Therefore, the path of the endpoint contains a secret. Source: nats-server, server/monitor.go,
        # `handleResponse`.
        configuration |= {"authorization": _SHARED, "http_base_path": "/${secret.monitor}"}
        health = f"/${{secret.monitor}}{health}"
        exports |= {
            "url": "nats://shared:${secret.password}@${host}:${port.client}",
            "monitor_url": "http://${host}:${port.monitor}/${secret.monitor}",
            "user": "shared",
            "password": "${secret.password}",
        }
    if settings.accounts:
        configuration.pop("authorization", None)
        configuration |= _accounts(settings.accounts, "${secret.accounts}", auth=auth)
        exports |= {"accounts": str(settings.accounts), "account_password": "${secret.accounts}"}
        prepare += (Secret(path="${data}/accounts.secret"),)
    return ServiceSpec(
        name="nats",
        command=("${bin.nats-server}", "--config", "${data}/nats.conf"),
        # The server's configuration language is a superset of JSON.
        prepare=(
            *prepare,
            WriteFile(
                path="${data}/nats.conf", text=_text(overlaid(configuration, settings.options)), json=True
            ),
        ),
        env=settings.env,
        ports=settings.port_map(),
        ready=HttpProbe(port="monitor", path=health, contains="ok"),
        exports=exports,
        needs=settings.needs,
        start_timeout=settings.start_timeout,
        restart=settings.restart,
        container=container,
    )


def _container(
    settings: NatsSettings, configuration: Mapping[str, Any], exports: Mapping[str, str]
) -> Container:
    """Return the container of the server.

    Clients of the server need no password, because only containers of the stack can connect.

    The accounts for tests have a password, which the server reads from a variable.
    """
    common = Container(
        image=settings.image or IMAGE,
        uid=65532,
        command=("--config", _CONTAINER_FILE),
        env=settings.env,
        files={_CONTAINER_FILE: _text(overlaid(configuration, settings.options))},
        exports={**exports, "user": "", "password": ""},
        data="/data",
        ports={"client": 4222, "monitor": 8222},
        # The check uses the wget of Busybox: the image is Alpine with only certificates and time zones.
        health=(
            *("wget", "-q", "-O", "/dev/null"),
            "http://127.0.0.1:${port.monitor}/healthz?js-enabled-only=true",
        ),
    )
    if not settings.accounts:
        return common
    password = f"${_PASSWORD}"
    accounts = _accounts(settings.accounts, password, auth=False)
    text = _text(overlaid({**configuration, **accounts}, settings.options))
    return replace(
        common,
        # With an entry point, Compose can read the secret from its file before the server starts.
        entrypoint=("nats-server",),
        # The quotation marks make the value a text: a secret can consist of digits.
        env={**settings.env, _PASSWORD: '"${secret.accounts}"'},
        secret_files={f"{_PASSWORD}_FILE": "accounts"},
        # The server does not replace a variable inside a string.
        files={_CONTAINER_FILE: text.replace(json.dumps(password), password)},
    )


def _text(configuration: Mapping[str, Any]) -> str:
    return json.dumps(configuration, indent=2, ensure_ascii=False)


#: the keys in `options` that define users of the server
_AUTH = frozenset({"authorization", "accounts", "operator", "resolver", "no_auth_user"})
_SHARED = {"user": "shared", "password": "${secret.password}"}
#: the limits of a test account (connections, bytes and streams): more than a test needs, but too little to
#: fill a disk
_LIMITS = {"limits": {"max_connections": 100}}
_JETSTREAM = {"jetstream": {"max_mem": 64 * 2**20, "max_file": 256 * 2**20, "max_streams": 100}}


def _accounts(count: int, password: str, *, auth: bool) -> dict[str, Any]:
    """Return the accounts for the server's configuration: `system`, `shared` and the accounts for tests.

    Clients that use the export `url` have the account `shared`. `count` is the number of accounts for tests,
    and `password` is their password.
    """

    def user(name: str) -> dict[str, str]:
        return {"user": name, "password": password}

    names = [f"test{number}" for number in range(1, count + 1)]
    return {
        "accounts": {
            "system": {"users": [user("system")]},
            "shared": {"jetstream": "enabled", "users": [_SHARED if auth else user("shared")]},
            **{name: {"users": [user(name)], **_LIMITS, **_JETSTREAM} for name in names},
        },
        "system_account": "system",
        **({} if auth else {"no_auth_user": "shared"}),
    }


#: Source: NATS documentation, "Client Protocol". A server that requires credentials is ready, too.
PROTOCOL = Exchange(
    port="client",
    steps=(
        Expect(prefixes=("INFO ",)),
        Send(text='CONNECT {"verbose":false}\r\nPING\r\n'),
        Expect(prefixes=("PONG", "-ERR 'Authorization"), skip=("INFO ", "+OK")),
    ),
)

ENTRY = Entry(
    settings=NatsSettings,
    make=nats,
    binaries=(Binary(name="nats-server"),),
    defaults={"test": {"accounts": 16}, "development": {"forward_logs": True}},
    protocols={"nats": PROTOCOL},
)
