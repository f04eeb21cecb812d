"""Write the messages of a test to the failure report, as JSON."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from infra_runtime.inbox.message import Message
from pytest_infra.isolation.readable import write_json
from pytest_infra.isolation.unit import Unit
from pytest_infra.services.mail.protocol import messages, run

#: The maximum number of messages that are dumped; older messages are omitted.
MESSAGES = 100


def dump(unit: Unit, folder: Path) -> list[Path]:
    """Write the messages of a unit to a file, without attachments' content; return a list with the file."""
    path = folder / f"{unit.id}.json"
    received = run(unit, messages(unit.id))
    write_json(
        path,
        {"messages": len(received), "shown": [_message_as_json(message) for message in received[-MESSAGES:]]},
    )
    return [path]


def _message_as_json(message: Message) -> dict[str, Any]:
    return {
        "received": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(message.received)),
        "sender": message.sender,
        "recipients": list(message.recipients),
        "headers": [list(pair) for pair in message.headers.pairs],
        "text": message.text,
        "html": message.html,
        "attachments": [
            {"name": part.name, "type": part.type, "size": part.size} for part in message.attachments
        ],
    }
