"""RabbitMQ: a virtual host with its own user for each test, created before the test needs it.

One request of the HTTP API imports the definitions of a unit: virtual host, user, permissions and topology. A
virtual host is never used again for another test.

Source: RabbitMQ documentation, "Virtual Hosts", "Passwords" and "Management Plugin", permissions of tags.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import secrets
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from infra_runtime.amqp.management import Management
from infra_runtime.amqp.topology import Topology
from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.errors import ConfigurationError
from pytest_infra.isolation.owner import Owner
from pytest_infra.isolation.pool import Pool
from pytest_infra.isolation.pooled import PooledUnits
from pytest_infra.isolation.unit import Unit
from pytest_infra.kit_context import KitContext
from pytest_infra.notes import Notes

#: the beginning of the name of a test's virtual host; the user of the virtual host has the same name
PREFIX = "test-"
#: the tag of a virtual host that must not be deleted
KEPT = "infra-kept"


class Vhost(Unit):
    """A virtual host for one test; `url` contains its user, who has access only to this virtual host."""

    def __init__(self, server: Endpoint, name: str, label: str, password: str, topology: str) -> None:
        unit_exports = {"user": name, "password": password, "vhost": name, "topology": topology}
        url = f"amqp://{name}:{password}@{server.host}:{server.port}/{name}"
        super().__init__(server, name, label, url=url, **unit_exports)
        #: the endpoint of the server; the user in it is the administrator of the server
        self.server = server

    @contextlib.contextmanager
    def example(self) -> Iterator[Vhost]:
        """Yield the virtual host with its topology and without messages, for one Hypothesis example.

        All queues and exchanges except exclusive queues are deleted, and those of the topology are declared
        again. This cancels consumers and removes messages that are not acknowledged; connections and channels
        stay open.
        """
        with connect(self.server) as management:
            self._declare(management)
            yield self
            self._declare(management)

    def _declare(self, management: Management) -> None:
        management.clear(self.id)
        management.apply(Topology.model_validate_json(self["topology"]).definitions(self.id))


def read(value: Any, root: Path, where: str) -> str:
    """Return the topology that `value` describes, as JSON.

    `value` is a table, a `Topology`, or the path of a TOML file relative to `root`. If `value` is None or
    empty, the result is empty, and the topology of the stack file is used. Raises `ConfigurationError` if the
    value does not describe a topology.
    """
    if value is None or value == "":
        return ""
    if isinstance(value, Topology):
        return value.model_dump_json(exclude_unset=True)
    try:
        table = value if isinstance(value, Mapping) else tomllib.loads((root / str(value)).read_text("utf-8"))
        return Topology.model_validate(table).model_dump_json(exclude_unset=True)
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in error.errors())
        raise ConfigurationError("\n".join(problems), where=where) from None
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{value}: {error}", where=where) from None


def connect(server: Endpoint) -> Management:
    """Return a connection to the HTTP API of a server as its administrator."""
    return Management(server.host, server.ports["management"], server["user"], server["password"])


def units(context: KitContext) -> PooledUnits:
    """Return the object that provides isolation units (virtual hosts) with one topology."""
    server, owner = context.endpoint, context.owner
    topology = context.parameters["topology"] or server["topology"]
    factory = VhostFactory(server, owner, Topology.model_validate_json(topology))

    def vhost(name: str, label: str) -> Vhost:
        return Vhost(server, name, label, factory.passwords[name], topology)

    def keep(name: str) -> None:
        with connect(server) as management:
            management.set_tags(name, KEPT)

    return PooledUnits(
        server,
        Pool(factory, server.name, report=Notes.of(context.config).add_message),
        unit=vhost,
        keep=keep,
        stops=context.stops,
        leftover=[name for name in unkept(server) if not owner.alive(owner_of(name))],
    )


class VhostFactory:
    """A factory that creates and deletes virtual hosts with their users, in the pool's thread."""

    def __init__(self, server: Endpoint, owner: Owner, topology: Topology) -> None:
        self._owner, self._topology = owner, topology
        self._management = connect(server)
        #: name of a virtual host and its user → the password of the user
        self.passwords: dict[str, str] = {}

    def make(self) -> str:
        """Create a virtual host with the topology, and a user of the same name; return the name."""
        name, password = PREFIX + self._owner.name().replace("_", "-"), secrets.token_hex(16)
        all_permissions = {"configure": ".*", "write": ".*", "read": ".*"}
        try:
            self._management.apply(
                {
                    "vhosts": [{"name": name}],
                    "users": [_user(name, password)],
                    "permissions": [{"user": name, "vhost": name, **all_permissions}],
                    **self._topology.definitions(name),
                }
            )
        except Exception:
            self.remove(name)
            raise
        self.passwords[name] = password
        return name

    def reset(self, name: str) -> str | None:  # noqa: ARG002 - the interface of a factory
        """Return None: a virtual host that a test has used is deleted."""
        return None

    def remove(self, name: str) -> None:
        """Delete a virtual host and its user; the server closes all connections to the virtual host."""
        self._management.delete_vhost(name)
        self._management.delete_user(name)
        self.passwords.pop(name, None)

    def close(self) -> None:
        """Close the connection to the server; the next call of a method opens a new connection."""
        self._management.close()


def _user(name: str, password: str) -> dict[str, str]:
    """Return the definition of a user who can use the HTTP API for one virtual host.

    The hash of the password has the format of the server: four bytes of salt, and the SHA-256 of salt and
    password.
    """
    salt = secrets.token_bytes(4)
    digest = hashlib.sha256(salt + password.encode()).digest()
    return {
        "name": name,
        "password_hash": base64.b64encode(salt + digest).decode(),
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": "policymaker",
    }


def unkept(server: Endpoint) -> list[str]:
    """Return the names of all tests' virtual hosts in a server, without virtual hosts that were kept."""
    with connect(server) as management:
        vhosts = management.vhosts()
    return [
        name
        for name, vhost in vhosts.items()
        if name.startswith(PREFIX) and KEPT not in vhost.get("tags", ())
    ]


def owner_of(vhost: str) -> str:
    """Return the token of the process that created a test's virtual host, from its name."""
    return vhost.removeprefix(PREFIX).partition("-")[0]
