"""PocketBase in the contract suite: a value is a record of a collection."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from infra_runtime.engines.local.stack import Endpoint


def write(endpoint: Endpoint, name: str, value: str) -> None:
    """Create a record, and its collection where it is missing."""
    token = _token(endpoint)
    fields = [{"name": "name", "type": "text"}, {"name": "value", "type": "text"}]
    if _records(endpoint, token, name) is None:
        _ask(endpoint, "/api/collections", token, {"name": "contract", "type": "base", "fields": fields})
    _ask(endpoint, "/api/collections/contract/records", token, {"name": name, "value": value})


def read(endpoint: Endpoint, name: str) -> str | None:
    """Return the value of the newest record of that name."""
    records = _records(endpoint, _token(endpoint), name)
    return records[0]["value"] if records else None


def _token(endpoint: Endpoint) -> str:
    login = {"identity": endpoint["superuser_email"], "password": endpoint["superuser_password"]}
    return _ask(endpoint, "/api/collections/_superusers/auth-with-password", "", login)["token"]


def _records(endpoint: Endpoint, token: str, name: str) -> list[dict[str, Any]] | None:
    """Return the records of that name, newest first; None while the collection is missing."""
    query = urllib.parse.urlencode({"filter": f'name="{name}"', "sort": "-@rowid"})
    try:
        return _ask(endpoint, f"/api/collections/contract/records?{query}", token)["items"]
    except urllib.error.HTTPError as error:
        with error:
            if error.code != 404:
                raise
        return None


def _ask(endpoint: Endpoint, path: str, token: str, body: object = None) -> Any:
    """Return the JSON that the server answers to a request; with a body it is a POST."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Authorization": token}
    request = urllib.request.Request(endpoint["url"] + path, data, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)
