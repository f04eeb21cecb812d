"""Write the exchanges, the queues and the first messages of each queue of a test to the failure report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from infra_runtime.amqp.management import Management
from pytest_infra.isolation.readable import CHARACTERS, write_json
from pytest_infra.isolation.unit import Unit
from pytest_infra.services.rabbitmq.isolation import Vhost, connect

#: The maximum number of queues whose messages are dumped, and of messages of each queue.
QUEUES, MESSAGES = 100, 20


def dump(unit: Unit, folder: Path) -> list[Path]:
    """Write the definitions and the messages of a unit to a file, and return a list with the file.

    Messages that a consumer has received and not acknowledged are missing.
    """
    path = folder / f"{unit.id}.json"
    with connect(unit.server if isinstance(unit, Vhost) else unit) as management:
        definitions = management.definitions(unit["vhost"])
        names = sorted(queue["name"] for queue in definitions["queues"])
        messages = {name: _messages(management, unit["vhost"], name) for name in names[:QUEUES]}
    entries = {kind: definitions[kind] for kind in ("exchanges", "queues", "bindings")}
    write_json(path, {"messages": {name: shown for name, shown in messages.items() if shown}, **entries})
    return [path]


def _messages(management: Management, vhost: str, queue: str) -> list[dict[str, Any]]:
    return [
        {name: message.get(name) for name in ("routing_key", "exchange", "properties", "payload")}
        for message in management.messages(vhost, queue, MESSAGES, longest=CHARACTERS)
    ]
