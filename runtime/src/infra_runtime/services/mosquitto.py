"""Mosquitto, a broker for MQTT.

Sources: mosquitto.conf(5); Mosquitto documentation, "Dynamic Security Plugin"; OASIS, "MQTT Version 3.1.1",
3.1 and 3.2; for the container eclipse-mosquitto, `docker/2.0/Dockerfile`: the server reads its configuration
from `/mosquitto/config/mosquitto.conf`, and the image contains the clients of Mosquitto.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, Port, Ports, ServiceSettings
from infra_runtime.contributions import Contributions
from infra_runtime.manifest import KINDS
from infra_runtime.spec import (
    Container,
    Exchange,
    Expect,
    LengthPrefix,
    Run,
    Secret,
    Send,
    ServiceSpec,
    Step,
    WriteFile,
)

IMAGE = "eclipse-mosquitto:2.0.22"
_CONTAINER_FILE = "/mosquitto/config/mosquitto.conf"
USER = "infra"

_PORTS = KINDS["mosquitto"].ports


class MosquittoPorts(Ports):
    client: Port = _PORTS["client"]


class MosquittoSettings(ServiceSettings):
    ports: MosquittoPorts = MosquittoPorts()
    #: whether retained messages and sessions are kept across restarts; each change is written to the disk
    durable: bool = True
    #: whether clients need the password in `url`; the setting has no effect if `options` contains a directive
    #: about logins
    auth: bool = True
    #: further directives, such as `max_packet_size = "1000000"`; a list becomes one directive for each value
    options: Mapping[str, str | tuple[str, ...]] = {}


#: A CONNECT packet of MQTT 3.1.1 without a login, and its answer, CONNACK. The answer of a server that
#: requires a login also shows that the server is ready.
READY = Exchange(
    port="client",
    steps=(
        Send(text=r"\x10\x11\0\x04MQTT\x04\x02\0\x0a\0\x05probe"),
        Expect(prefixes=(r"\x20\x02\0\0", r"\x20\x02\0\x05"), until=LengthPrefix(size=1, at=1, extra=2)),
    ),
)
#: the directives about logins; if `options` contains one of these directives, the setting for the password
#: has no effect
_AUTH = frozenset({"allow_anonymous", "auth_plugin", "password_file", "plugin", "psk_file"})
_TYPES = ("publishClientSend", "publishClientReceive", "subscribePattern", "unsubscribePattern")
#: The pattern `#` does not match topics that begin with `$`.
_ACLS = [
    {"acltype": kind, "topic": topic, "priority": 0, "allow": True}
    for kind in _TYPES
    for topic in ("#", "$SYS/#", "$CONTROL/#", "$share/+/#")
]
#: The users and roles at the first start. Later, Mosquitto's plugin changes the file with the users and
#: roles.
_USERS = {
    "defaultACLAccess": dict.fromkeys(("publishClientSend", "publishClientReceive", "subscribe"), False)
    | {"unsubscribe": True},
    "roles": [{"rolename": USER, "acls": _ACLS}],
    "clients": [{"username": USER, "roles": [{"rolename": USER}]}],
}
#: Writes the users with the hash of the password. Programs of Mosquitto take the password as an argument,
#: which all users of the machine can read. The password is random, so a hash with few rounds is safe.
_WRITE_USERS = """\
import os, sys
path = sys.argv[1]
if not os.path.exists(path):
    import base64, hashlib, json  # they take longer than the rest
    users, salt = json.loads(sys.argv[2]), os.urandom(12)
    digest = hashlib.pbkdf2_hmac("sha512", os.environ["INFRA_PASSWORD"].encode(), salt, 101)
    encoded = {"password": base64.b64encode(digest).decode(), "salt": base64.b64encode(salt).decode()}
    users["clients"][0] |= {**encoded, "iterations": 101}
    with open(os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(users, file)
    os.rename(path + ".new", path)
"""


def mosquitto(settings: MosquittoSettings, _: Contributions = ()) -> ServiceSpec:
    """Return the spec of a Mosquitto broker, which keeps its messages on disk (`durable`) or in memory."""
    users = "${data}/users.json"
    directives: dict[str, str | tuple[str, ...]] = {
        "listener": "${port.client} ${host}",
        "set_tcp_nodelay": "true",
        "log_dest": "stdout",
        "log_type": ("error", "warning", "notice", "subscribe"),
        "log_timestamp_format": "%Y-%m-%dT%H:%M:%S",
    }
    if settings.durable:
        directives |= {
            "persistence": "true",
            "persistence_location": "${data}/",
            "autosave_on_changes": "true",
            "autosave_interval": "1",
        }
    in_container = _text({**directives, "allow_anonymous": "true", **settings.options})
    exports = {
        "url": "mqtt://${host}:${port.client}",
        "host": "${host}",
        "port": "${port.client}",
    }
    prepare: tuple[Step, ...] = ()
    auth = settings.auth and not _AUTH & settings.options.keys()
    if auth:
        prepare = (
            Secret(path="${data}/password.secret"),
            Run(
                command=(
                    *("${bin.python}", "-I", "-S", "-c", _WRITE_USERS.replace("$", "$$")),
                    *(users, json.dumps(_USERS).replace("$", "$$")),
                ),
                env={"INFRA_PASSWORD": "${secret.password}"},
            ),
        )
        # If the name of the plugin contains no folder, the plugin is searched for in the folders of
        # libraries, where Linux packages install it.
        directives |= {
            "allow_anonymous": "false",
            "plugin": "mosquitto_dynamic_security.so",
            "plugin_opt_config_file": users,
        }
        exports |= {
            "url": f"mqtt://{USER}:${{secret.password}}@${{host}}:${{port.client}}",
            "user": USER,
            "password": "${secret.password}",
        }
    else:
        directives["allow_anonymous"] = "true"
    # If root starts the server, the server changes to another user by default; this user cannot write to the
    # data folder.
    text = _text({"user": "root", **directives, **settings.options})
    return ServiceSpec(
        name="mosquitto",
        command=("${bin.mosquitto}", "-c", "${data}/mosquitto.conf"),
        prepare=(*prepare, WriteFile(path="${data}/mosquitto.conf", text=text)),
        env=settings.env,
        ports=settings.port_map(),
        ready=READY,
        exports=exports,
        needs=settings.needs,
        start_timeout=settings.start_timeout,
        restart=settings.restart,
        container=Container(
            image=settings.image or IMAGE,
            uid=1883,
            command=("/usr/sbin/mosquitto", "-c", _CONTAINER_FILE),
            env=settings.env,
            files={_CONTAINER_FILE: in_container},
            # Only containers of the stack can connect to the broker, so it needs no password.
            exports={"url": "mqtt://${host}:${port.client}", "user": "", "password": ""} if auth else {},
            data="/mosquitto/data",
            ports={"client": 1883},
            health=("mosquitto_sub", "-p", "${port.client}", "-t", "infra", "-E", "-W", "3"),
        ),
    )


def _text(directives: Mapping[str, str | tuple[str, ...]]) -> str:
    lines = (
        f"{name} {value}\n"
        for name, values in directives.items()
        for value in ((values,) if isinstance(values, str) else values)
    )
    return "".join(lines)


ENTRY = Entry(
    settings=MosquittoSettings,
    make=mosquitto,
    binaries=(Binary(name="mosquitto", folders=("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")),),
    defaults={"test": {"durable": False}},
)
