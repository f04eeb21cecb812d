"""MongoDB and its emulation: the choice of the server, and what clients do with the server that is found."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import infra_runtime as infra
from fakes.engine import made
from fakes.project import Project
from infra_runtime.catalogue import entry
from infra_runtime.engines.local.stack import Stack
from infra_runtime.errors import ConfigurationError
from infra_runtime.services import mongodb_protocol
from infra_runtime.supervisor.exchange import exchange


def test_mongod_listens_on_the_address_of_the_stack_only() -> None:
    command = made("mongodb").command

    assert {"--bind_ip=${host}", "--port=${port.client}", "--dbpath=${data}"} <= set(command)


def test_the_emulation_is_refused_outside_of_tests() -> None:
    assert entry("mongodb").defaults == {"test": {"emulation": True}}
    with pytest.raises(ConfigurationError, match="it lacks transactions, sessions, change"):
        made("mongodb", engine="emulated")


def test_the_engine_is_that_of_the_executable_and_an_export_names_what_it_lacks() -> None:
    facts = entry("mongodb").facts
    assert facts is not None

    assert facts(Path("/usr/bin/mongod")) == {"engine": "mongod"}
    assert facts(Path("/store/bin/mongo-java-server")) == {"engine": "emulated"}
    assert "transactions" in made("mongodb", engine="emulated", emulation=True).exports["engine"]


@pytest.mark.parametrize(
    ("indexes", "problem"),
    [
        ("a = [{ keys = [] }]", "services.mongodb.indexes.a.0.keys: "),
        ('a = [{ keys = ["b", "-b"] }]', "services.mongodb.indexes.a.0: a field occurs twice in b, -b"),
        ('a = [{ keys = ["$b"] }]', "'$b' is not the name of a field"),
        ('a = [{ keys = ["b"], expire_after = -1 }]', "services.mongodb.indexes.a.0.expire_after: "),
        ('a = [{ keys = ["b", "c"], expire_after = 1 }]', "`expire_after` needs an index of one field"),
        ('a = [{ keys = ["b"], ttl = 1 }]', "services.mongodb.indexes.a.0.ttl: "),
        ('a = [{ keys = ["b"] }, { keys = ["b"], unique = true }]', "two indexes have the keys b"),
        ('a = [{ keys = ["b"] }, { keys = ["c"], name = "b_1" }]', "two indexes are called b_1"),
        ('"system.a" = [{ keys = ["b"] }]', "must not begin with `system.`"),
    ],
)
def test_a_wrong_index_is_an_error_with_its_place(project: Project, indexes: str, problem: str) -> None:
    project.write(f'use = ["mongodb"]\n[services.mongodb.indexes]\n{indexes}\n')

    error = project.error()

    assert problem in error
    assert "infra.toml:3" in error


def test_the_container_creates_the_indexes() -> None:
    container = made("mongodb", database="shop", indexes={"a": [{"keys": ["b", "-c"]}]}).container

    assert container is not None
    (script,) = container.files.values()
    assert script.splitlines() == [
        'db = db.getSiblingDB("shop");',
        'db.runCommand({"createIndexes": "a", "indexes": [{"key": {"b": 1, "c": -1}, "name": "b_1_c_-1"}]});',
    ]


@pytest.mark.process
@pytest.mark.parametrize(
    "error",
    [b"\x01ok\0" + struct.pack("<d", 0), mongodb_protocol.document({"$err": "E11000"})[4:-1]],
    ids=["MongoDB", "the emulation"],
)
def test_a_refused_index_is_the_reason_why_the_service_is_not_ready(error: bytes) -> None:
    """The server answers `ping`, and refuses the second command with an error that begins with `error`."""
    probe = made("mongodb", indexes={"users": [{"keys": ["name"], "unique": True}]}).ready

    async def reason() -> str | None:
        async with await asyncio.start_server(serve, "127.0.0.1") as server:
            return await exchange("127.0.0.1", server.sockets[0].getsockname()[1], probe)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        message = mongodb_protocol.document({"errmsg": "E11000 duplicate key error collection: test.users"})
        for content in (b"\x01ok\0" + struct.pack("<d", 1) + b"\0", error + message[4:]):
            (length,) = struct.unpack("<i", await reader.readexactly(4))
            await reader.readexactly(length - 4)
            body = struct.pack("<iiii", 2, 1, 2013, 0) + b"\0" + struct.pack("<i", len(content) + 4) + content
            writer.write(struct.pack("<i", len(body) + 4) + body)
        writer.close()

    assert asyncio.run(reason()) == (
        "the indexes of users are not created: E11000 duplicate key error collection: test.users"
    )


# --- the server that is found ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("mongodb")
    (folder / "infra.toml").write_text(
        """
        use = ["mongodb"]
        [services.mongodb.indexes]
        people = [{ keys = ["name", "-tenant"], unique = true }, { keys = ["seen"], expire_after = 60 }]
        """
    )
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

    def test_the_database_of_development_has_the_indexes_of_the_stack_file(self, stack: Stack) -> None:
        pymongo = pytest.importorskip("pymongo", reason="the minimal profile has no clients")
        for _ in range(2):
            with pymongo.MongoClient(stack["mongodb"]["url"], retryWrites=False) as client:
                indexes = client.get_default_database().people.index_information()
            assert indexes["name_1_tenant_-1"]["unique"]
            assert indexes["seen_1"]["expireAfterSeconds"] == 60
            stack.restart("mongodb")

    def test_large_files_are_stored_with_gridfs(self, database: Any) -> None:
        gridfs = pytest.importorskip("gridfs", reason="the minimal profile has no clients")
        files = gridfs.GridFS(database)

        identifier = files.put(b"x" * 600_000, filename="report")

        assert files.get(identifier).read() == b"x" * 600_000
