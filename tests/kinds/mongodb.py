"""MongoDB in the contract suite: a value is in a document of the collection `values`."""

from __future__ import annotations

from pymongo import MongoClient

from infra_runtime.engines.local.stack import Endpoint


def write(endpoint: Endpoint, name: str, value: str) -> None:
    """Insert or replace a document, in the database of the unit, and wait until it is in the journal."""
    with MongoClient(endpoint["url"], retryWrites=False, journal=True) as client:
        values = client.get_default_database("test")["values"]
        values.replace_one({"_id": name}, {"value": value}, upsert=True)


def read(endpoint: Endpoint, name: str) -> str | None:
    """Return the value in a document."""
    with MongoClient(endpoint["url"]) as client:
        document = client.get_default_database("test")["values"].find_one({"_id": name})
    return document and document["value"]
