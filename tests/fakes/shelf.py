"""A third-party distribution with the kind `shelf`, a server that stores texts: entry and service kit."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

#: requests: LOGIN tenant password, PUT key text, GET key, KEYS, TENANTS, DROP tenant; each answer is one line
SERVER = """
import socketserver, sys

SHELVES = {}

class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        tenant = ""
        for line in self.rfile:
            word, *rest = line.decode().split()
            print(line.decode().strip(), flush=True)
            if word == "LOGIN":
                tenant = rest[0]
                SHELVES.setdefault(tenant, {})
            elif word == "PUT":
                SHELVES[tenant][rest[0]] = rest[1]
            elif word == "DROP":
                SHELVES.pop(rest[0], None)
            answers = {
                "GET": lambda: SHELVES[tenant].get(*rest, "-"),
                "KEYS": lambda: " ".join(sorted(SHELVES[tenant])),
                "TENANTS": lambda: " ".join(sorted(SHELVES)),
            }
            self.wfile.write((answers.get(word, lambda: "OK")() + "\\n").encode())

class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True

Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""

ENTRY = """
from infra_runtime.catalogue import Entry, Port, Ports, ServiceSettings
from infra_runtime.spec import ServiceSpec, TcpProbe

class ShelfPorts(Ports):
    client: Port = 18099

class ShelfSettings(ServiceSettings):
    ports: ShelfPorts = ShelfPorts()

def shelf(settings, contributions):
    return ServiceSpec(
        name="shelf",
        command=("${bin.python}", "-I", "-S", %r, "${port.client}"),
        ports=settings.port_map(),
        ready=TcpProbe(port="client"),
        exports={"url": "shelf://${host}:${port.client}", "host": "${host}", "port": "${port.client}"},
    )

ENTRY = Entry(name="shelf", summary="keeps texts on shelves", settings=ShelfSettings, make=shelf)
"""

KIT = """
from pytest_infra import KitFixture, Parameter, ServiceKit

KIT = ServiceKit(
    kind="shelf",
    variants=("tenant", "process"),
    units="shelf_units:units",
    dump="shelf_units:dump",
    leftover="shelf_units:leftover",
    unit_name=r"test-(?P<owner>[a-z0-9]+)-\\d+",
    urls={"http": "http://{tenant}:{password}@{host}:{port}"},
    parameters=(Parameter(name="stock", read="shelf_units:read", summary="KEY=TEXT for every unit"),),
    install={"no_such_library": "shelf-client"},
    fixtures=(
        KitFixture(name="{service}_client", function="shelf_clients:client", summary="A client."),
        KitFixture(
            name="{service}_async_client",
            function="shelf_clients:async_client",
            summary="The same for `await`.",
            asynchronous=True,
        ),
        KitFixture(name="{service}_odd_client", function="shelf_clients:odd", summary="It is not installed."),
    ),
)
"""

UNITS = '''
import socket

from pytest_infra import Unit

class Shelf:
    """A connection."""

    def __init__(self, unit):
        self._socket = socket.create_connection((unit.host, unit.port))
        self._file = self._socket.makefile("rw", newline="\\n")
        if "tenant" in unit:
            self.call("LOGIN", unit.tenant, unit.password)

    def call(self, *words):
        print(*words, file=self._file, flush=True)
        return self._file.readline().strip()

    def close(self):
        self._file.close()
        self._socket.close()

class Tenants:
    def __init__(self, context):
        self._server, self._owner, self._stock = context.endpoint, context.owner, context.parameters["stock"]
        self._variant, self._admin = context.variant, Shelf(context.endpoint)

    def acquire(self, label):
        name = "test-" + self._owner.name().replace("_", "-")
        unit = Unit(self._server, name, label, tenant=name, password="secret-of-" + name, by=self._variant)
        shelf = Shelf(unit)
        for pair in self._stock:
            shelf.call("PUT", *pair.split("="))
        shelf.close()
        return unit

    def release(self, unit):
        if not unit.keep and unit.id not in REMOVED:
            self._admin.call("DROP", unit.id)

    def close(self):
        self._admin.close()
        return []

#: units that the kit does not remove at their end, so that a test can check the report of remaining units
REMOVED = set()

def units(context):
    return Tenants(context)

def read(value, root, where):
    return tuple(value.split() if isinstance(value, str) else value or ())

def dump(unit, folder):
    shelf = Shelf(unit)
    keys = shelf.call("KEYS")
    shelf.close()
    if "broken" in keys:
        raise ValueError(f"cannot read it as {unit.password}")
    path = folder / f"{unit.id}.txt"
    path.write_text(keys)
    return [path]

def leftover(endpoint):
    shelf = Shelf(endpoint)
    names = shelf.call("TENANTS").split()
    shelf.close()
    return [name for name in names if name.startswith("test-")]
'''

CLIENTS = """
from shelf_units import Shelf

def client(context, unit):
    shelf = Shelf(unit)
    shelf.name = context.label.name
    yield shelf
    shelf.close()

async def async_client(context, unit):
    shelf = Shelf(unit)
    yield shelf
    shelf.close()

def odd(context, unit):
    yield context.library("no_such_library")
"""


def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the distribution for processes that are started from now on."""
    folder.mkdir()
    server = folder / "shelf_server.py"
    modules = {
        "shelf_server": SERVER,
        "shelf_entry": ENTRY % str(server),
        "shelf_kit": KIT,
        "shelf_units": UNITS,
        "shelf_clients": CLIENTS,
    }
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    info = folder / "shelf-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shelf\nVersion: 1.0\n", encoding="utf-8")
    points = """
        [infra.services]
        shelf = shelf_entry:ENTRY

        [infra.kits]
        shelf = shelf_kit:KIT
    """
    (info / "entry_points.txt").write_text(dedent(points), encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(folder))
