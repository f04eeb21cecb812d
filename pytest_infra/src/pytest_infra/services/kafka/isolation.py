"""Kafka: a prefix for the topics and groups of each test.

Kafka has no namespaces, so the test adds the prefix of its unit to each name.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterator

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.owner import Owner
from pytest_infra.isolation.unit import Unit
from pytest_infra.kit_context import KitContext
from pytest_infra.services.kafka import admin

#: The topics of this number of released units are deleted together, because a request that deletes many
#: topics takes as long as a request that deletes one topic.
BATCH = 20


class Topics(Unit):
    """An isolation unit of Kafka: the topics and groups whose names begin with `prefix`."""

    def __init__(self, server: Endpoint, prefix: str, label: str) -> None:
        super().__init__(server, prefix, label, prefix=prefix)
        #: the beginning of the name of each topic and group
        self.prefix = prefix
        self._examples = itertools.count(1)

    @contextlib.contextmanager
    def example(self) -> Iterator[Topics]:
        """Yield a longer prefix that begins with the prefix of this unit, for one Hypothesis example."""
        server = Endpoint(self.name, self, self.ports, str(self.data), self.sensitive, self.driver_urls)
        yield Topics(server, f"{self.prefix}{next(self._examples)}-", self.label)


def units(context: KitContext) -> Prefixes:
    """Return the object that creates isolation units (prefixes) of a Kafka service."""
    return Prefixes(context.endpoint, context.owner)


class Prefixes:
    """The prefixes of one process. The topics of released units are deleted in the background."""

    def __init__(self, server: Endpoint, owner: Owner) -> None:
        self._server, self._owner = server, owner
        self._client = admin.connect(server)
        self._released: list[str] = []
        self._deletion: threading.Thread | None = None

    def acquire(self, label: str) -> Unit:
        """Return an isolation unit: a prefix that no other test has used."""
        return Topics(self._server, f"test-{self._owner.name().replace('_', '-')}-", label)

    def release(self, unit: Unit) -> None:
        """Delete the topics and groups of a unit later, with those of other tests, unless it is kept."""
        if unit.keep:
            return
        self._released.append(unit.id)
        if len(self._released) >= BATCH:
            self._join()
            self._deletion = threading.Thread(target=self._delete, args=(self._released,), daemon=True)
            self._released = []
            self._deletion.start()

    def close(self) -> list[str]:
        """Delete the topics and groups of all released units.

        Return an empty list, also if the server is stopped and its topics remain.
        """
        self._join()
        if self._released:
            self._delete(self._released)
        self._released = []
        return []

    def _join(self) -> None:
        if self._deletion:
            self._deletion.join()

    def _delete(self, prefixes: list[str]) -> None:
        from confluent_kafka import KafkaException

        with contextlib.suppress(KafkaException):  # the topics of a stopped server cannot be deleted
            admin.delete(self._client, prefixes)


def leftover(endpoint: Endpoint) -> list[str]:
    """Return the names of the topics that belong to units."""
    return admin.topics(admin.connect(endpoint), "test-")
