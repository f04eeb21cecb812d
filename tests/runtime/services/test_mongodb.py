"""MongoDB and its emulation: the choice of the server, and what clients do with the server that is found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import infra_runtime as infra
from fakes.engine import made
from infra_runtime.catalogue import entry
from infra_runtime.engines.local.stack import Stack
from infra_runtime.errors import ConfigurationError


def test_mongod_listens_on_the_address_of_the_stack_only() -> None:
    command = made("mongodb").command

    assert {"--bind_ip=${host}", "--port=${port.client}", "--dbpath=${data}"} <= set(command)


def test_the_emulation_is_refused_outside_of_tests() -> None:
    assert entry("mongodb").defaults == {"test": {"emulation": True}}
    with pytest.raises(ConfigurationError, match="it lacks transactions, sessions, change streams and users"):
        made("mongodb", engine="emulated")


def test_the_engine_is_that_of_the_executable_and_an_export_names_what_it_lacks() -> None:
    facts = entry("mongodb").facts
    assert facts is not None

    assert facts(Path("/usr/bin/mongod")) == {"engine": "mongod"}
    assert facts(Path("/store/bin/mongo-java-server")) == {"engine": "emulated"}
    assert "transactions" in made("mongodb", engine="emulated", emulation=True).exports["engine"]


# --- the server that is found ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("mongodb")
    (folder / "infra.toml").write_text('use = ["mongodb"]\n')
    with infra.start(directory=folder, environment="test") as stack:
        yield stack


@pytest.fixture
def database(stack: Stack, request: pytest.FixtureRequest) -> Iterator[Any]:
    pymongo = pytest.importorskip("pymongo", reason="the minimal profile has no clients")
    with pymongo.MongoClient(stack["mongodb"]["url"], retryWrites=False) as client:
        yield client[request.node.name[:60]]


@pytest.mark.real("mongodb")
class TestServer:
    def test_documents_are_inserted_changed_and_deleted(self, database: Any) -> None:
        orders = database.orders
        orders.insert_many([{"_id": number, "amount": number} for number in range(5)])
        orders.update_many({"amount": {"$gte": 3}}, {"$set": {"large": True}, "$inc": {"amount": 10}})
        orders.delete_one({"_id": 0})

        assert [each["amount"] for each in orders.find({"large": True}).sort("_id")] == [13, 14]
        assert orders.count_documents({}) == 4

    def test_a_group_with_several_accumulators_and_a_lookup_are_right(self, database: Any) -> None:
        database.orders.insert_many([{"customer": number % 2, "amount": number} for number in range(6)])
        database.customers.insert_many([{"_id": 0, "name": "Ada"}, {"_id": 1, "name": "Grace"}])
        stages = [
            {"$group": {"_id": "$customer", "sum": {"$sum": "$amount"}, "count": {"$sum": 1}}},
            {
                "$lookup": {
                    "from": "customers",
                    "localField": "_id",
                    "foreignField": "_id",
                    "as": "customer",
                }
            },
            {"$sort": {"_id": 1}},
        ]

        rows = [*database.orders.aggregate(stages)]

        assert [(row["sum"], row["count"], row["customer"][0]["name"]) for row in rows] == [
            (6, 3, "Ada"),
            (9, 3, "Grace"),
        ]

    def test_a_unique_index_refuses_a_second_document(self, database: Any) -> None:
        errors = pytest.importorskip("pymongo.errors", reason="the minimal profile has no clients")
        database.users.create_index([("name", 1), ("tenant", -1)], unique=True)
        database.users.create_index("seen", expireAfterSeconds=60)
        database.users.insert_one({"name": "Ada", "tenant": 1})

        with pytest.raises(errors.DuplicateKeyError):
            database.users.insert_one({"name": "Ada", "tenant": 1})
        database.users.insert_one({"name": "Ada", "tenant": 2})

        assert database.users.index_information()["seen_1"]["expireAfterSeconds"] == 60

    def test_large_files_are_stored_with_gridfs(self, database: Any) -> None:
        gridfs = pytest.importorskip("gridfs", reason="the minimal profile has no clients")
        files = gridfs.GridFS(database)

        identifier = files.put(b"x" * 600_000, filename="report")

        assert files.get(identifier).read() == b"x" * 600_000
