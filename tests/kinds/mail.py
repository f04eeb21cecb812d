"""The mail server in the contract suite: a value is the text of a message, and its name is the subject."""

from __future__ import annotations

import json
import smtplib
import urllib.request
from email.message import EmailMessage
from urllib.parse import urlencode, urlsplit

from infra_runtime.engines.local.stack import Endpoint


def write(endpoint: Endpoint, name: str, value: str) -> None:
    """Send a message; a unit's URL contains a login, by which the message belongs to the unit."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "contract@example.test", "someone@example.test", name
    message.set_content(value)
    url = urlsplit(endpoint["url"])
    with smtplib.SMTP(url.hostname or "", url.port or 0, timeout=60) as client:
        if url.username and url.password:
            client.login(url.username, url.password)
        client.send_message(message)


def read(endpoint: Endpoint, name: str) -> str | None:
    """Return the text of the newest message with this subject."""
    query = urlencode({"subject": name, "unit": endpoint.get("user", "")})
    messages = _ask(endpoint, f"/api/messages?{query}")["messages"]
    if not messages:
        return None
    return _ask(endpoint, f"/api/messages/{messages[-1]['id']}")["text"].strip()


def _ask(endpoint: Endpoint, path: str) -> dict:
    address = f"http://{endpoint.host}:{endpoint['inbox_port']}{path}"
    with urllib.request.urlopen(address, timeout=60) as answer:
        return json.load(answer)
