"""The object storage: a bucket for each test, and keys that are valid for the buckets of the test only.

The engine `seaweedfs` has a fixed number of users for tests in its configuration; the buckets of the user
`test3` begin with `test3-`. The engine `moto` has any number of accounts; its Security Token
Service (STS) returns the keys of an account. A server without users for tests, such as one in a cluster, has
only its own keys, which are valid for all buckets.

Sources: SeaweedFS documentation, "Amazon S3 API" (actions with a pattern of bucket names) and "Master Server
API" (`/vol/grow`); moto's documentation, "Multi-Account support".
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator, Mapping

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.connection import CommandError
from pytest_infra.isolation.http_request import send
from pytest_infra.isolation.owner import Owner
from pytest_infra.isolation.pool import Pool
from pytest_infra.isolation.slots import Slots
from pytest_infra.isolation.unit import Unit, Units
from pytest_infra.kit_context import KitContext
from pytest_infra.services.s3.protocol import Storage


class Bucket(Unit):
    """An isolation unit of the object storage: a bucket, and keys in `access_key` and `secret_key`."""

    def __init__(self, server: Endpoint, name: str, label: str, keys: Mapping[str, str]) -> None:
        super().__init__(server, name, label, bucket=name, **keys)
        self.storage = Storage(server, keys["access_key"], keys["secret_key"])

    @contextlib.contextmanager
    def example(self) -> Iterator[Bucket]:
        """Yield this unit with an empty bucket, for one Hypothesis example."""
        self.storage.clear(self.id)
        yield self
        self.storage.clear(self.id)


def units(context: KitContext) -> Units:
    """Return the object that provides isolation units (buckets) of the object storage."""
    server = context.endpoint
    if "accounts_key" in server:
        return Buckets(context)
    if server.get("accounts") == "unlimited":  # moto
        return NewBuckets(server, context.owner, lambda: _new_account(server))
    return NewBuckets(
        server,
        context.owner,
        lambda: {"access_key": server["access_key"], "secret_key": server["secret_key"]},
    )


class Buckets:
    """The buckets for tests in SeaweedFS; a pool creates the next buckets in advance."""

    def __init__(self, context: KitContext) -> None:
        self._server, self._context = context.endpoint, context
        self._factory = _BucketFactory(context)
        # Two buckets in advance are enough, because a test takes longer than the creation of a bucket.
        self._pool = Pool(self._factory, context.endpoint.name, max_ahead=2)

    def acquire(self, label: str) -> Unit:
        """Return an isolation unit: an empty bucket that no other test has used."""
        name = self._pool.take()
        return Bucket(self._server, name, label, self._factory.keys(name))

    def release(self, unit: Unit) -> None:
        """Start to delete all buckets of the unit's user, and to create a bucket for a later test.

        If the unit is kept, its buckets are not deleted.
        """
        if unit.keep:
            self._factory.keep(unit.id)
        else:
            self._pool.give_back(unit.id)

    def close(self) -> list[str]:
        """Delete the buckets of the pool, unless the server stops now; return the buckets that remain."""
        return self._pool.close(remove=not self._context.stops())


class _BucketFactory:
    """Creates and deletes buckets; the users for tests are slots that all processes of the run share."""

    def __init__(self, context: KitContext) -> None:
        self._server, self._owner = context.endpoint, context.owner
        count = int(self._server["accounts"])
        hint = f"Set `accounts` in `[services.{self._server.name}]` of the stack file to more than {count}."
        self._slots = Slots(context.stack.data, self._server.name, range(1, count + 1), hint)

    def make(self) -> str:
        number = self._slots.take(self._clean)
        try:
            return self._create(number)
        except BaseException:
            self._slots.free(number, clean=False)
            raise

    def reset(self, name: str) -> str | None:
        number = _number(name)
        return self._create(number) if self._clean(number) else None

    def remove(self, name: str) -> None:
        number = _number(name)
        cleaned = self._clean(number)
        self._slots.free(number, clean=cleaned)
        if not cleaned:
            raise CommandError(f"the bucket {name} cannot be deleted, for example because of an object lock")

    def keep(self, name: str) -> None:
        self._slots.free(_number(name), keep=True)

    def close(self) -> None:
        """Do nothing, because each request has its own connection."""

    def keys(self, name: str) -> dict[str, str]:
        return self._keys(_number(name))

    def _keys(self, number: int) -> dict[str, str]:
        return {"access_key": _user(number), "secret_key": self._server["accounts_key"]}

    def _create(self, number: int) -> str:
        name = f"{_user(number)}-{self._owner.name().replace('_', '-')}"
        self._storage(number).create(name)
        self._add_volume(name)
        return name

    def _add_volume(self, name: str) -> None:
        """Create the volume for a bucket in advance; otherwise, the first write waits 200 ms for it."""
        port = self._server.ports["master"]
        # If the server refuses the request, the first write creates the volume.
        send(f"http://{self._server.host}:{port}/vol/grow?count=1&collection={name}")

    def _clean(self, number: int) -> bool:
        """Delete all buckets of a user; return False if the server refuses this, as for an object lock."""
        storage = self._storage(number)
        try:
            for bucket in storage.buckets():
                storage.remove(bucket)
        except CommandError:
            return False
        return True

    def _storage(self, number: int) -> Storage:
        keys = self._keys(number)
        return Storage(self._server, keys["access_key"], keys["secret_key"])


def _user(number: int) -> str:
    return f"test{number}"


def _number(bucket: str) -> int:
    return int(bucket.partition("-")[0].removeprefix("test"))


class NewBuckets:
    """Buckets that are created for a test, with the keys that a function returns."""

    def __init__(self, server: Endpoint, owner: Owner, keys: Callable[[], Mapping[str, str]]) -> None:
        self._server, self._owner, self._keys = server, owner, keys

    def acquire(self, label: str) -> Unit:
        """Return an isolation unit: a new, empty bucket."""
        name = f"test-{self._owner.name().replace('_', '-')}"
        unit = Bucket(self._server, name, label, self._keys())
        unit.storage.create(name)
        return unit

    def release(self, unit: Unit) -> None:
        """Delete the bucket of a test, unless it is kept."""
        if isinstance(unit, Bucket) and not unit.keep:
            # The server can be stopped, and the test can have deleted its bucket.
            with contextlib.suppress(OSError, CommandError):
                unit.storage.remove(unit.id)

    def close(self) -> list[str]:
        """Return an empty list, because no unit exists between two tests."""
        return []


def _new_account(server: Endpoint) -> dict[str, str]:
    """Return the keys of a new AWS account in moto; the account has its own resources of all services.

    The memory of these resources is freed when the server stops.
    """
    account = str(100_000_000_000 + secrets.randbelow(900_000_000_000))
    return {**Storage(server, "any", "any").assume_role(account), "account": account}
