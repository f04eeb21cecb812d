"""MongoDB and its emulation: the choice of the server, and what clients do with the server that is found."""

from __future__ import annotations

import asyncio
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import infra_runtime as infra
from fakes.engine import spec_of
from fakes.project import Project
from fakes.suite import free_port
from infra_runtime.catalogue import entry
from infra_runtime.engines.local.stack import Stack
from infra_runtime.errors import ConfigurationError, StartError
from infra_runtime.services import mongodb_protocol
from infra_runtime.supervisor.exchange import exchange


def test_mongod_listens_on_the_address_of_the_stack_only() -> None:
    command = spec_of("mongodb").command

    assert {"--bind_ip=${host}", "--port=${port.client}", "--dbpath=${data}"} <= set(command)


def test_the_emulation_is_refused_outside_of_tests() -> None:
    assert entry("mongodb").defaults == {"test": {"emulation": True}}
    with pytest.raises(ConfigurationError, match="it lacks transactions, sessions, change"):
        spec_of("mongodb", engine="emulated")


def test_the_engine_is_that_of_the_executable_and_an_export_names_what_it_lacks() -> None:
    facts = entry("mongodb").facts
    assert facts is not None

    assert facts(Path("/usr/bin/mongod")) == {"engine": "mongod"}
    assert facts(Path("/store/bin/mongo-java-server")) == {"engine": "emulated"}
    assert "transactions" in spec_of("mongodb", engine="emulated", emulation=True).exports["engine"]


@pytest.mark.parametrize(
    ("indexes", "problem"),
    [
        ("a = [{ keys = [] }]", "services.mongodb.indexes.a.0.keys: "),
        (
            'a = [{ keys = ["b", "-b"] }]',
            "services.mongodb.indexes.a.0: a field occurs twice in `keys`: b, -b",
        ),
        ('a = [{ keys = ["$b"] }]', "'$b' in `keys` is not a valid name of a field"),
        ('a = [{ keys = ["b"], expire_after = -1 }]', "services.mongodb.indexes.a.0.expire_after: "),
        ('a = [{ keys = ["b", "c"], expire_after = 1 }]', "`expire_after` needs an index of one field"),
        ('a = [{ keys = ["b"], ttl = 1 }]', "services.mongodb.indexes.a.0.ttl: "),
        ('a = [{ keys = ["b"] }, { keys = ["b"], unique = true }]', "two indexes have the keys b"),
        ('a = [{ keys = ["b"] }, { keys = ["c"], name = "b_1" }]', "two indexes have the name b_1"),
        ('"system.a" = [{ keys = ["b"] }]', "must not begin with `system.`"),
    ],
)
def test_a_wrong_index_is_an_error_with_its_line(project: Project, indexes: str, problem: str) -> None:
    project.write(f'use = ["mongodb"]\n[services.mongodb.indexes]\n{indexes}\n')

    error = project.error()

    assert problem in error
    assert "infra.toml:3" in error


def test_the_container_creates_the_indexes() -> None:
    container = spec_of("mongodb", database="shop", indexes={"a": [{"keys": ["b", "-c"]}]}).container

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
    probe = spec_of("mongodb", indexes={"users": [{"keys": ["name"], "unique": True}]}).ready

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
        "the indexes of the collection users cannot be created: "
        "E11000 duplicate key error collection: test.users"
    )


# --- a program with the options, the protocol and the exit statuses of mongod --------------------------

#: Sources: MongoDB documentation, "mongod", "Exit Codes and Statuses", "Wire Protocol"
MONGOD = """\
#!{python}
import argparse, json, pathlib, signal, socket, struct, sys

def log(message, **attributes):
    print(json.dumps({{"s": "I", "c": "CONTROL", "msg": message, "attr": attributes}}), flush=True)

def whole(connection, number):
    data = b""
    while len(data) < number:
        part = connection.recv(number - len(data))
        if not part:
            raise EOFError
        data += part
    return data

class Parser(argparse.ArgumentParser):
    def error(self, message):
        print(f"Error parsing command line: {{message}}", file=sys.stderr)
        sys.exit(2)

parser = Parser(allow_abbrev=False)
parser.add_argument("--bind_ip", default="localhost")
parser.add_argument("--port", type=int, default=27017)
parser.add_argument("--dbpath", type=pathlib.Path, default=pathlib.Path("/data/db"))
parser.add_argument("--nounixsocket", action="store_true")
parser.add_argument("--wiredTigerCacheSizeGB", type=float)
parser.add_argument("--setParameter", action="append")
options = parser.parse_args()
if not 0.25 <= options.wiredTigerCacheSizeGB <= 10000:
    sys.exit(2)
if not options.dbpath.is_dir():
    log("NonExistentPath: Data directory not found")
    sys.exit(100)
(options.dbpath / "mongod.lock").write_text("1")

def stop(*_):
    (options.dbpath / "mongod.lock").write_text("")
    log("Shutting down", exitCode=0)
    sys.exit(0)

signal.signal(signal.SIGTERM, stop)
with socket.socket() as server:
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind((options.bind_ip, options.port))
    except OSError as error:
        log("Failed to set up listener", error=f"SocketException: {{error.strerror}}")
        sys.exit(48)
    server.listen()
    log("Waiting for connections", port=options.port)
    answer = b"\\x01ok\\0" + struct.pack("<d", 1) + b"\\0"
    body = struct.pack("<iiii", 2, 1, 2013, 0) + b"\\0" + struct.pack("<i", len(answer) + 4) + answer
    while True:
        connection, _ = server.accept()
        try:
            (length,) = struct.unpack("<i", whole(connection, 4))
            whole(connection, length - 4)
            connection.sendall(struct.pack("<i", len(body) + 4) + body)
        except (EOFError, OSError):
            pass
        connection.close()
"""


@pytest.fixture
def mongod(tmp_path: Path) -> str:
    """The table of a stack file whose server is a program with the options of mongod."""
    program = tmp_path / "mongod"
    program.write_text(MONGOD.format(python=sys.executable))
    program.chmod(0o755)
    table = f'use = ["mongodb"]\n[services.mongodb]\nbinary = "{program}"\n'
    (tmp_path / "infra.toml").write_text(table)
    return table


@pytest.mark.process
def test_mongod_of_the_setting_runs_outside_of_tests_and_is_stopped_in_order(
    tmp_path: Path, mongod: str
) -> None:
    port = free_port()
    (tmp_path / "infra.toml").write_text(f"{mongod}ports = {{ client = {port} }}\n")
    data = tmp_path / "data"

    with infra.start(directory=tmp_path, environment="development", data=data) as stack:
        server = stack["mongodb"]
        assert (server["engine"], server["url"]) == ("mongod", f"mongodb://127.0.0.1:{port}/test")
        lock = server.data / "mongod.lock"
        assert lock.read_text() == "1"
        log = Path(stack.status().services["mongodb"].log)

    assert lock.read_text() == ""
    assert '"exitCode": 0' in log.read_text()


@pytest.mark.process
@pytest.mark.usefixtures("mongod")
def test_the_reason_of_mongod_is_in_the_error_of_the_start(tmp_path: Path) -> None:
    program = tmp_path / "mongod"
    program.write_text(program.read_text().replace("server.bind(", "raise OSError(98, 'Address in use')  #"))

    with pytest.raises(StartError, match="exited with status 48") as caught:
        infra.start(directory=tmp_path, environment="test", data=tmp_path / "data")

    assert "SocketException: Address in use" in str(caught.value)


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

        assert [order["amount"] for order in orders.find({"large": True}).sort("_id")] == [13, 14]
        assert orders.count_documents({}) == 4

    def test_a_group_with_several_accumulators_and_a_lookup_have_the_correct_result(
        self, database: Any
    ) -> None:
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
