"""A topology: exchanges, queues and bindings as data, and the definitions that a server imports.

The definitions are created from the stack file without a server. For each queue with `dead_letters`, the
topology also contains a queue `QUEUE.dead`, which is bound to the exchange `dead-letters`. For each delay in
`retries`, it contains an exchange and a queue such as `retry.2s`, which all queues share. A message in a
retry queue expires after the delay. The default exchange then routes the message to its original queue,
because the routing key of the message is the name of this queue.

Sources: RabbitMQ documentation, "Dead Letter Exchanges", "Time-To-Live and Expiration" and "Definition Export
and Import"; AMQP 0-9-1, 3.1.3 "Exchange types".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

#: the exchange to which servers route rejected and expired messages, and the suffix of the queues that are
#: bound to it
DEAD_LETTERS, DEAD = "dead-letters", ".dead"
#: the prefix of the names of the exchanges and queues for messages that wait for their next attempt
RETRY = "retry."

#: `exchanges`, `queues` or `bindings` → the definitions, in the format of the server
Definitions: TypeAlias = dict[str, list[dict[str, Any]]]
#: A name with characters that need no escapes in URLs and configuration files; AMQP allows more characters.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,199}$")]
Delay = Annotated[float, Field(gt=0, le=86400)]
_IN_64_BITS = Field(ge=-(2**63), lt=2**63)
#: values of the optional arguments of exchanges and queues, such as `x-max-length`
Arguments: TypeAlias = Mapping[str, bool | Annotated[int, _IN_64_BITS] | Annotated[float, _IN_64_BITS] | str]


def _keys(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _bindings(value: Any) -> Any:
    """Return a mapping from exchange to routing keys.

    If `value` is the name of an exchange or a list of such names, the routing key of each binding is empty.
    """
    names = (value,) if isinstance(value, str) else value
    return dict.fromkeys(names, ("",)) if isinstance(names, (list, tuple)) else value


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Exchange(_Table):
    """An exchange of the topology."""

    type: Literal["direct", "fanout", "headers", "topic"] = "topic"
    durable: bool = True
    arguments: Arguments = {}


class Queue(_Table):
    """A queue of the topology: its bindings, and the rules for messages that a consumer cannot handle."""

    #: exchange → routing keys; or, for bindings without routing keys, the name of an exchange or a list of
    #: names
    bind: Annotated[
        Mapping[Name, Annotated[tuple[str, ...], BeforeValidator(_keys)]], BeforeValidator(_bindings)
    ] = {}
    durable: bool = True
    #: whether rejected and expired messages are routed to the queue `QUEUE.dead`
    dead_letters: bool = True
    #: the delays in seconds before the second, third, … attempt to handle a message
    retries: Annotated[tuple[Delay, ...], Field(max_length=20)] = (1, 2, 4)
    #: the greatest number of messages that a consumer has received and not yet acknowledged
    prefetch: Annotated[int, Field(ge=1, le=65535)] = 10
    #: seconds after which a message expires
    ttl: Annotated[float, Field(gt=0, le=315_360_000)] | None = None
    #: other arguments of the queue, such as `x-max-length`
    arguments: Arguments = {}


class Topology(_Table):
    """The exchanges and queues of one virtual host."""

    exchanges: Mapping[Name, Exchange] = {}
    queues: Mapping[Name, Queue] = {}

    @model_validator(mode="after")
    def _check(self) -> Topology:
        for problem in _problems(self):
            raise ValueError(problem)
        return self

    def definitions(self, vhost: str) -> Definitions:
        """Return the exchanges, queues and bindings of this topology in the format of the server."""
        definitions_of = {
            "exchanges": _exchanges(self),
            "queues": _queues(self),
            "bindings": _all_bindings(self),
        }
        return {
            kind: [{"vhost": vhost, **entry} for entry in entries] for kind, entries in definitions_of.items()
        }


def retry_name(delay: float) -> str:
    """Return the name of the exchange and the queue in which messages wait for this number of seconds."""
    return f"{RETRY}{delay:g}s"


def _problems(topology: Topology) -> Iterator[str]:
    for name in topology.exchanges:
        if name == DEAD_LETTERS or name.startswith((RETRY, "amq.")):
            yield f"the name of the exchange {name!r} is reserved; choose another name"
    for name, queue in topology.queues.items():
        if name.startswith((RETRY, "amq.")) or name.removesuffix(DEAD) in topology.queues.keys() - {name}:
            yield f"the name of the queue {name!r} is reserved; choose another name"
        for exchange, keys in queue.bind.items():
            declared = topology.exchanges.get(exchange)
            if declared is None and not exchange.startswith("amq."):
                names = ", ".join(topology.exchanges) or "none"
                yield f"{name} is bound to {exchange!r}, which is not declared (declared exchanges: {names})"
            if declared and declared.type in {"direct", "topic"} and "" in keys:
                yield (
                    f"{name} is bound to {exchange}, a {declared.type} exchange, without a routing key; "
                    f'write bind = {{ {exchange} = "KEY" }}'
                )
        for argument in queue.arguments.keys() & _FIELD_OF.keys():
            yield f"{name} has the argument {argument}; use the key `{_FIELD_OF[argument]}` instead"


#: argument → the key of the stack file from which the argument is created
_FIELD_OF = {
    "x-dead-letter-exchange": "dead_letters",
    "x-dead-letter-routing-key": "dead_letters",
    "x-message-ttl": "ttl",
}


def _delays(topology: Topology) -> list[float]:
    return sorted({delay for queue in topology.queues.values() for delay in queue.retries})


def _dead(topology: Topology) -> list[str]:
    """Return the names of the queues that have a queue of dead letters, `QUEUE.dead`."""
    return [name for name, queue in topology.queues.items() if queue.dead_letters]


def _exchanges(topology: Topology) -> list[dict[str, Any]]:
    retries = [_exchange(retry_name(delay), "fanout") for delay in _delays(topology)]
    dead = [_exchange(DEAD_LETTERS, "direct")] if _dead(topology) else []
    declared = [
        _exchange(name, exchange.type, durable=exchange.durable, arguments=exchange.arguments)
        for name, exchange in topology.exchanges.items()
    ]
    return [*declared, *dead, *retries]


def _exchange(
    name: str, type_: str, *, durable: bool = True, arguments: Arguments | None = None
) -> dict[str, Any]:
    return {
        "name": name,
        "type": type_,
        "durable": durable,
        "auto_delete": False,
        "internal": False,
        "arguments": dict(arguments or {}),
    }


def _queues(topology: Topology) -> list[dict[str, Any]]:
    declared = [
        _queue(name, durable=queue.durable, arguments=_arguments(name, queue))
        for name, queue in topology.queues.items()
    ]
    dead = [_queue(f"{name}{DEAD}") for name in _dead(topology)]
    retries = [
        # Without `x-dead-letter-routing-key`, the message keeps its routing key, which is the name of its
        # original queue.
        _queue(
            retry_name(delay),
            arguments={"x-message-ttl": _milliseconds(delay), "x-dead-letter-exchange": ""},
        )
        for delay in _delays(topology)
    ]
    return [*declared, *dead, *retries]


def _queue(name: str, *, durable: bool = True, arguments: Arguments | None = None) -> dict[str, Any]:
    return {"name": name, "durable": durable, "auto_delete": False, "arguments": dict(arguments or {})}


def _arguments(name: str, queue: Queue) -> dict[str, Any]:
    dead = {"x-dead-letter-exchange": DEAD_LETTERS, "x-dead-letter-routing-key": name}
    ttl = {} if queue.ttl is None else {"x-message-ttl": _milliseconds(queue.ttl)}
    return {**(dead if queue.dead_letters else {}), **ttl, **queue.arguments}


def _milliseconds(seconds: float) -> int:
    return max(round(seconds * 1000), 1)


def _all_bindings(topology: Topology) -> list[dict[str, Any]]:
    declared = [
        _binding(exchange, name, key)
        for name, queue in topology.queues.items()
        for exchange, keys in queue.bind.items()
        for key in keys
    ]
    dead = [_binding(DEAD_LETTERS, f"{name}{DEAD}", name) for name in _dead(topology)]
    names = [retry_name(delay) for delay in _delays(topology)]
    return [*declared, *dead, *(_binding(name, name, "") for name in names)]


def _binding(exchange: str, queue: str, key: str) -> dict[str, Any]:
    return {
        "source": exchange,
        "destination": queue,
        "destination_type": "queue",
        "routing_key": key,
        "arguments": {},
    }


def differences(wanted: Mapping[str, Any], actual: Mapping[str, Any], vhost: str) -> list[str]:
    """Return a line for each difference between the definitions of a topology and of a server.

    A line begins with `+` if the object is in the topology only, with `-` if it is on the server only, and
    with `~` if its attributes differ.
    """
    lines: list[str] = []
    for kind in ("exchanges", "queues", "bindings"):
        wanted_entries, actual_entries = (
            _by_name(kind, definitions.get(kind, ()), vhost) for definitions in (wanted, actual)
        )
        lines += [f"+ {name}" for name in wanted_entries.keys() - actual_entries.keys()]
        lines += [f"- {name}" for name in actual_entries.keys() - wanted_entries.keys()]
        for name in wanted_entries.keys() & actual_entries.keys():
            lines += _changes(name, wanted_entries[name], actual_entries[name])
    return sorted(lines, key=lambda line: (line[2:], line[0]))


def _by_name(kind: str, entries: Iterable[Mapping[str, Any]], vhost: str) -> dict[str, Mapping[str, Any]]:
    """Return the definitions of a virtual host as a mapping from a readable name to the definition."""
    entries_by_name = {}
    for entry in entries:
        if entry.get("vhost", vhost) == vhost:
            if kind == "bindings":
                key = f" ({entry['routing_key']})" if entry["routing_key"] else ""
                name = f"binding {entry['source']} → {entry['destination']}{key}"
            else:
                name = f"{kind.removesuffix('s')} {entry['name']}"
            entries_by_name[name] = entry
    return entries_by_name


def _changes(name: str, wanted: Mapping[str, Any], actual: Mapping[str, Any]) -> list[str]:
    changes = [
        f"{key} {actual.get(key)} instead of {wanted[key]}"
        for key in ("type", "durable", "arguments")
        if key in wanted and wanted[key] != actual.get(key)
    ]
    return [f"~ {name}: {', '.join(changes)}"] if changes else []
