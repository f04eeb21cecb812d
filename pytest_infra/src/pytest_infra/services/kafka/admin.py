"""The administration client of confluent-kafka, which removes the topics and groups of units.

Source: confluent-kafka's documentation, "AdminClient".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.client_library import required

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

#: the time limit for one request, in seconds
PATIENCE = 30.0


def connect(server: Endpoint) -> AdminClient:
    """Return an AdminClient for a Kafka server; raise `ConfigurationError` if confluent-kafka is missing."""
    library = required(
        "confluent_kafka.admin",
        service=server.name,
        library="confluent-kafka",
        extra="kafka",
        purpose="separate topics for each test need",
    )
    # The client logs only that connections were lost, for example after the server was stopped.
    client: AdminClient = library.AdminClient(
        {"bootstrap.servers": server["bootstrap_servers"], "log_level": 0}
    )
    return client


def topics(client: AdminClient, prefix: str) -> list[str]:
    """Return the names of the topics that begin with a prefix, sorted."""
    return sorted(name for name in client.list_topics(timeout=PATIENCE).topics if name.startswith(prefix))


def groups(client: AdminClient, prefix: str) -> list[str]:
    """Return the names of the consumer groups that begin with a prefix, sorted."""
    result = client.list_consumer_groups(request_timeout=PATIENCE).result()
    return sorted(group.group_id for group in result.valid if group.group_id.startswith(prefix))


def delete(client: AdminClient, prefixes: Iterable[str]) -> None:
    """Delete the topics and the groups with one of these prefixes. A group with members is kept."""
    beginnings = tuple(prefixes)
    topic_names = [name for name in topics(client, "") if name.startswith(beginnings)]
    if topic_names:
        _finish(client.delete_topics(topic_names, request_timeout=PATIENCE))
    group_names = [name for name in groups(client, "") if name.startswith(beginnings)]
    if group_names:
        _finish(client.delete_consumer_groups(group_names, request_timeout=PATIENCE))


def _finish(futures: dict[str, Any]) -> None:
    from confluent_kafka import KafkaException

    for future in futures.values():
        try:
            future.result()
        except KafkaException:  # deleted by the test, or the group has members
            continue
