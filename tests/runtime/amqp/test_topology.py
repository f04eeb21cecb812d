"""A topology is validated and expanded without a server, and compared with the definitions of a server."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from fakes.samples import every
from infra_runtime.amqp.topology import Topology, differences

DECLARED = {
    "exchanges": {"notifications": {"type": "topic"}, "events": {"type": "fanout"}},
    "queues": {
        "email": {"bind": {"notifications": ["email.#", "all"]}, "ttl": 3600},
        "audit.logs": {"bind": "events", "retries": [0.5], "dead_letters": False},
    },
}


def named(kind: str, declared: dict[str, Any] = DECLARED) -> dict[str, dict[str, Any]]:
    """Return a mapping from name to entry of the expanded exchanges or queues."""
    return {entry["name"]: entry for entry in Topology.model_validate(declared).definitions("/")[kind]}


def bindings() -> set[tuple[str, str, str]]:
    """Return exchange, queue and routing key of all bindings."""
    entries = Topology.model_validate(DECLARED).definitions("/")["bindings"]
    return {(entry["source"], entry["destination"], entry["routing_key"]) for entry in entries}


def test_each_delay_is_one_exchange_and_one_queue_for_all_queues() -> None:
    retries = {name for name in named("queues") if name.startswith("retry.")}

    assert retries == {"retry.0.5s", "retry.1s", "retry.2s", "retry.4s"}
    assert {name for name in named("exchanges") if name.startswith("retry.")} == retries
    assert {(name, name, "") for name in retries} <= bindings()


def test_a_message_in_a_retry_queue_expires_to_the_queue_in_its_routing_key() -> None:
    arguments = named("queues")["retry.0.5s"]["arguments"]

    assert arguments == {"x-message-ttl": 500, "x-dead-letter-exchange": ""}


def test_dead_letters_of_a_queue_have_their_own_queue() -> None:
    queues = named("queues")

    assert queues["email"]["arguments"] == {
        "x-dead-letter-exchange": "dead-letters",
        "x-dead-letter-routing-key": "email",
        "x-message-ttl": 3_600_000,
    }
    assert named("exchanges")["dead-letters"]["type"] == "direct"
    assert ("dead-letters", "email.dead", "email") in bindings()
    assert queues["audit.logs"]["arguments"] == {}
    assert "audit.logs.dead" not in queues


def test_bindings_have_the_declared_routing_keys() -> None:
    assert {
        ("notifications", "email", "email.#"),
        ("notifications", "email", "all"),
        ("events", "audit.logs", ""),
    } <= bindings()


def test_an_empty_topology_has_no_definitions() -> None:
    assert Topology().definitions("/") == {"exchanges": [], "queues": [], "bindings": []}


@every(
    [
        ({"queues": {"a": {"bind": "missing"}}}, "a is bound to 'missing', which is not declared"),
        ({"exchanges": {"x": {}}, "queues": {"a": {"bind": "x"}}}, "a topic exchange, without a routing key"),
        ({"exchanges": {"retry.1s": {}}}, "'retry.1s' is reserved"),
        ({"exchanges": {"amq.x": {}}}, "'amq.x' is reserved"),
        ({"queues": {"a": {}, "a.dead": {}}}, "'a.dead' is reserved"),
        ({"queues": {"a": {"arguments": {"x-message-ttl": 1}}}}, "use the key `ttl` instead"),
        ({"queues": {"a b": {}}}, "String should match pattern"),
        ({"queues": {"a": {"retries": [0]}}}, "greater than 0"),
        ({"queues": {"a": {"bound": "x"}}}, "Extra inputs"),
    ]
)
def test_a_wrong_declaration_is_an_error(declared: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        Topology.model_validate(declared)


def test_a_binding_to_an_exchange_of_the_server_is_accepted() -> None:
    queue = {"bind": {"amq.topic": "a.#"}}

    assert Topology.model_validate({"queues": {"a": queue}}).queues["a"].bind == {"amq.topic": ("a.#",)}


def test_a_topology_is_read_again_from_its_json() -> None:
    topology = Topology.model_validate(DECLARED)

    assert Topology.model_validate_json(topology.model_dump_json(exclude_unset=True)) == topology


def test_equal_definitions_have_no_differences() -> None:
    declared = Topology.model_validate(DECLARED).definitions("/")

    assert differences(declared, declared, "/") == []


def test_differences_name_what_is_missing_different_and_not_declared() -> None:
    declared = Topology(
        exchanges={"x": {"type": "direct"}}, queues={"a": {"bind": {"x": "k"}, "retries": ()}}
    )
    actual = {
        "exchanges": [{"name": "x", "vhost": "/", "type": "fanout", "durable": True, "arguments": {}}],
        "queues": [{"name": "old", "vhost": "/"}, {"name": "other", "vhost": "test-1"}],
        "bindings": [],
    }

    assert differences(declared.definitions("/"), actual, "/") == [
        "+ binding dead-letters → a.dead (a)",
        "+ binding x → a (k)",
        "+ exchange dead-letters",
        "~ exchange x: type fanout instead of direct",
        "+ queue a",
        "+ queue a.dead",
        "- queue old",
    ]


@pytest.mark.parametrize("number", [2**63, -(2**70), 1e300, float("inf"), float("nan")])
def test_an_argument_has_64_bits(number: float) -> None:
    with pytest.raises(ValidationError):
        Topology.model_validate({"queues": {"q": {"arguments": {"x-max-length": number}}}})

    assert Topology.model_validate({"queues": {"q": {"arguments": {"x-max-length": 2**63 - 1}}}})
