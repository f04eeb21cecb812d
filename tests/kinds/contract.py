"""The exceptions from the contract suite, and what each kind contributes to it.

A kind contributes `tests/kinds/NAME.py` with two functions, which use a real client or the wire protocol:
`write(endpoint, name, value)`, and `read(endpoint, name)`, which returns None where nothing was written. Both
take the whole service or a test's isolation unit, and open and close their own connections. A kind whose
server answers before the kernel has the written data also has `settled(endpoint)`: whether the kernel has
them.

A kind without state (`STATELESS`) stores nothing that a client sends. Its module has one function instead,
`check(endpoint)`, which sends a request and asserts that the answer is right. The clauses about written data
(`ABOUT_DATA`) are left out for such a kind; in all other clauses, `check` replaces each write and read.
"""

from __future__ import annotations

import importlib
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from fakes.stacks import until
from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.local.stack import Endpoint

#: kind → clause (the name of its test) → why the kind does not keep it. The test runs all the same and must
#: fail: an exception that is no longer needed fails the suite.
EXCEPTIONS: Mapping[str, Mapping[str, str]] = {
    # With MongoDB itself, all clauses are kept.
    "mongodb": {}
    if shutil.which("mongod")
    else {
        "test_data_of_development_survives_a_kill": "the emulation is refused outside of tests",
        "test_nothing_is_left_when_the_supervisor_is_killed": "the emulation is refused outside of tests",
        "test_a_snapshot_brings_the_state_back": "the emulation keeps all documents in memory",
    },
    "dashboard": {
        "test_a_program_that_only_opens_the_port_is_not_ready": (
            "it has no probe: its process starts at the first connection"
        ),
    },
    "telemetry": {
        "test_a_program_that_only_opens_the_port_is_not_ready": (
            "it has no probe: its process starts at the first connection"
        ),
    },
    "log-forwarder": {
        "test_a_program_that_only_opens_the_port_is_not_ready": "it has neither a port nor a probe",
    },
    "mosquitto": {
        "test_a_snapshot_brings_the_state_back": "in tests, the messages of the broker are only in memory"
    },
    "memcached": dict.fromkeys(
        ("test_data_of_development_survives_a_kill", "test_a_snapshot_brings_the_state_back"),
        "a cache whose items are only in memory",
    ),
    "pgbouncer": {
        "test_two_instances_have_different_ports_and_data": "both are in front of the same PostgreSQL server",
    },
    "jaeger": {
        "test_a_snapshot_brings_the_state_back": "in tests, its traces are only in memory",
    },
    "alertmanager": {
        "test_data_of_development_survives_a_kill": "its alerts are in memory; their sender repeats them",
        "test_a_snapshot_brings_the_state_back": "its alerts are in memory; their sender repeats them",
    },
    "caddy": {
        "test_data_of_development_survives_a_kill": (
            "its routes come from the stack file; one that the admin API added is in memory"
        ),
        "test_a_snapshot_brings_the_state_back": (
            "its routes come from the stack file; one that the admin API added is in memory"
        ),
    },
}
#: the kinds without state
STATELESS = frozenset(
    {
        "dashboard",
        "grafana",
        "log-forwarder",
        "nats-exporter",
        "node-exporter",
        "postgres-exporter",
        "redis-exporter",
    }
)
#: the clauses that make no sense without written data
ABOUT_DATA = frozenset(
    {
        "test_data_of_development_survives_a_kill",
        "test_a_snapshot_brings_the_state_back",
        "test_two_workers_write_the_same_name_and_read_their_own",
        "test_a_failed_test_has_a_readable_dump_of_its_unit",
    }
)
#: variant of a kind → the kind, and the settings of its instances in the variant
VARIANTS: Mapping[str, tuple[str, Mapping[str, Any]]] = {"postgres-15": ("postgres", {"version": 15})}
#: the clauses whose result can differ between the variants of a kind
OF_VARIANTS = frozenset(
    {
        "test_data_of_development_survives_a_kill",
        "test_a_snapshot_brings_the_state_back",
        "test_two_workers_write_the_same_name_and_read_their_own",
        "test_a_failed_test_has_a_readable_dump_of_its_unit",
        "test_nothing_is_left_when_the_supervisor_is_killed",
    }
)
#: kind → the settings of all its instances in this suite
COMMON: Mapping[str, Mapping[str, Any]] = {
    # the start of a cluster takes some seconds of processor time, also on a busy machine
    "kubernetes": {"start_timeout": 900}
}
#: kind → the settings of the variant that is tested now
settings: dict[str, Mapping[str, Any]] = {}
#: seconds that another process has for what it is about to do
PATIENCE = 600.0


def table(name: str, kind: str) -> str:
    """Return the table of an instance in the stack file, with the settings of the tested variant."""
    values = {**({} if name == kind else {"kind": kind}), **COMMON.get(kind, {}), **settings.get(kind, {})}
    return f"[services.{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())


def subject(kind: str) -> ModuleType:
    """Return the module with `write` and `read` of the kind."""
    return importlib.import_module(f"kinds.{kind.replace('-', '_')}")


def write(kind: str, endpoint: Endpoint, name: str, value: str) -> None:
    """Write a value; for a kind without state, check an answer."""
    if kind in STATELESS:
        subject(kind).check(endpoint)
    else:
        subject(kind).write(endpoint, name, value)


def read(kind: str, endpoint: Endpoint, name: str) -> str | None:
    """Return a value; for a kind without state, check an answer and return None."""
    if kind in STATELESS:
        subject(kind).check(endpoint)
        return None
    return subject(kind).read(endpoint, name)


def settle(kind: str, endpoint: Endpoint) -> None:
    """Wait until written data survive a kill, for a kind whose server answers earlier."""
    if hasattr(subject(kind), "settled"):
        until(lambda: subject(kind).settled(endpoint), PATIENCE)


# --- secrets ---------------------------------------------------------------------------------------


def secrets(data: Path, *endpoints: Endpoint) -> set[str]:
    """Return every secret of the stack in `data` and of these endpoints: services or units."""
    files = Path(Paths(str(data)).services).rglob("*.secret")
    exported = (endpoint[name] for endpoint in endpoints for name in endpoint if "password" in name)
    return {text.strip() for text in (*(it.read_text(encoding="utf-8") for it in files), *exported)}


def disclosures(secrets: Iterable[str], texts: Mapping[str, str]) -> list[str]:
    """Return the names of the texts that contain one of these secrets."""
    return [name for name, text in texts.items() if any(secret in text for secret in secrets)]


def files(*folders: Path) -> dict[str, str]:
    """Return the text of every file in these folders, by path."""
    paths = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {str(path): path.read_text(encoding="utf-8", errors="replace") for path in paths}
