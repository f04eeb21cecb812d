"""Only the manifest and the files of a kind contain its name."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra_runtime.manifest import KINDS

ROOT = Path(__file__).parent.parent.parent
SOURCES = [
    path
    for package in ("runtime/src/infra_runtime", "cli/src/infra_cli", "pytest_infra/src/pytest_infra")
    for path in sorted((ROOT / package).rglob("*.py"))
]
#: kind → a kind with the same protocol: the name is also that of a client library and of a driver's URL
SAME_PROTOCOL = {"redis": "valkey", "valkey": "redis"}
#: module of a kind → kind
MODULES = {kind.identifier: name for name, kind in KINDS.items()}
MANIFEST = ROOT / "runtime/src/infra_runtime/manifest.py"


def is_file_of(kind: str, path: Path) -> bool:
    """Return whether the file belongs to the kind: `services/NAME.py`, or a file in `services/NAME/`."""
    services = (
        path.parts[len(path.parts) - 1 - path.parts[::-1].index("services") :]
        if "services" in path.parts
        else ()
    )
    return len(services) > 1 and services[1].removesuffix(".py") == KINDS[kind].identifier


def kinds_named_in(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and kind for each string that equals a kind's name, and each import of a kind's module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value in KINDS:
            yield node.lineno, str(node.value)
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            yield from ((node.lineno, kind) for name in imported for kind in _kind_of_module(name))
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, kind) for alias in node.names for kind in _kind_of_module(alias.name))


def _kind_of_module(module: str) -> list[str]:
    parts = module.split(".")
    following = [after for before, after in itertools.pairwise(parts) if before == "services"]
    return [MODULES[module] for module in following if module in MODULES]


#: file, and a name in the configuration of its server, a program, a key or an engine that is also the name of
#: a kind
OTHER_MEANING = {
    ("rabbitmq.py", "prometheus"),
    ("traefik.py", "prometheus"),
    ("registry.py", "prometheus"),
    ("grafana_dashboards.py", "prometheus"),
    ("jaeger.py", "telemetry"),
    ("mapping.py", "telemetry"),
    ("kubernetes.py", "etcd"),
    ("engine.py", "kubernetes"),
    ("cluster_target.py", "kubernetes"),
    ("kubernetes.py", "kubernetes"),
    ("main.py", "kubernetes"),
    ("options.py", "kubernetes"),
}


#: what a file contains that can name a kind: only such files are parsed
MENTION = re.compile(
    rf"""["']({"|".join(map(re.escape, KINDS))})["']|\bservices(\.({"|".join(MODULES)})\b| import\b)"""
)


def foreign_kinds(path: Path) -> list[str]:
    """Return `LINE: KIND` for each kind that is named in a file which does not belong to it."""
    if path == MANIFEST:
        return []
    text = path.read_text(encoding="utf-8")
    if not MENTION.search(text):
        return []
    tree = ast.parse(text)
    return [
        f"{line}: {kind}"
        for line, kind in kinds_named_in(tree)
        if not any(is_file_of(owner, path) for owner in {kind, SAME_PROTOCOL.get(kind, kind)})
        and (path.name, kind) not in OTHER_MEANING
    ]


def test_a_kind_is_named_only_in_its_own_files_and_in_the_manifest() -> None:
    """A new kind needs its own files and one row of the manifest, but no other change."""
    assert [f"{path}:{kind}" for path in SOURCES for kind in foreign_kinds(path)] == []


@pytest.mark.parametrize(
    "source",
    [
        'x = "postgres"',
        "import infra_runtime.services.nats",
        "from infra_runtime.services import caddy",
        "from pytest_infra.services.valkey import isolation",
        'match name:\n    case "pocketbase": ...',
    ],
)
def test_each_way_to_name_a_kind_is_detected(source: str) -> None:
    assert [kind for _, kind in kinds_named_in(ast.parse(source))]
