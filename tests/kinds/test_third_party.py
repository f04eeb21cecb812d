"""A kind of another distribution has everything that a shipped kind has, without a change to our files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.command_line import INFRA, CommandLine
from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.local.engine import attach
from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.errors import NoStackError
from kinds import contract, user_suite
from kinds.distribution import DISTRIBUTIONS, installed

KIND = "acme-memcached"
ROOT = Path(__file__).parent.parent.parent

#: both clients see the test's own unit; the second instance has its own fixtures
CLIENTS = """
import pytest

@pytest.mark.parametrize("number", range(3))
def test_client(acme_memcached_client, number):
    assert acme_memcached_client.names() == []
    acme_memcached_client.set("stock", str(number))
    assert acme_memcached_client.get("stock") == str(number)

@pytest.mark.asyncio
async def test_async_client(acme_memcached_client, acme_memcached_async_client):
    await acme_memcached_async_client.set("stock", "7")
    assert acme_memcached_client.get("stock") == "7"

def test_second_instance(acme_memcached_client, second_client, second, infra_url):
    second_client.set("stock", "8")
    assert acme_memcached_client.get("stock") is None
    assert infra_url(second, "pymemcache") == f"{second.host}:{second.port}"
"""
FAILS = """
def test_bad({fixture}_client):
    {fixture}_client.set("stock", "kept")
    assert False
"""
SHARED = """
def test_one({fixture}_client):
    {fixture}_client.set("stock", "shared")

def test_two({fixture}_client):
    assert {fixture}_client.get("stock") == "shared"
"""
RESOLVE = """
import sys
from pathlib import Path
from infra_runtime.config.resolve import resolve

names = [spec.name for spec in resolve((), directory=Path.cwd()).plan.services]
print(*names, "acme_memcached.service" in sys.modules)
"""

variants = pytest.mark.parametrize("variant", ["prefix", "process"])


@pytest.fixture(autouse=True)
def _distribution(tmp_path: Path) -> Iterator[None]:
    (tmp_path / "site").mkdir()
    with installed(KIND, tmp_path / "site"):
        yield


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that uses the kind, with a separate cache."""
    monkeypatch.setenv("INFRA_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "infra.toml").write_text(f"use = ['{KIND}']\n", encoding="utf-8")
    return folder


def run(project: Path, *command: str, **environ: str) -> str:
    """Run a command in the project, and return its output."""
    result = subprocess.run(
        command,
        cwd=project,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=contract.PATIENCE,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_none_of_our_files_names_the_kind() -> None:
    assert DISTRIBUTIONS[KIND].is_relative_to(ROOT / "tests" / "kinds")
    for folder in ("runtime", "cli", "pytest_infra"):
        sources = (ROOT / folder / "src").rglob("*.py")
        assert [path for path in sources if KIND in path.read_text(encoding="utf-8")] == []


def test_the_shell_completes_the_name_of_the_kind(project: Path) -> None:
    words = {"COMP_CWORD": "3", "COMP_WORDS": "infra runtime up acm"}

    assert run(project, INFRA, _INFRA_COMPLETE="bash_complete", **words).splitlines() == [f"plain,{KIND}"]


def test_the_list_of_services_describes_the_kind(project: Path) -> None:
    assert "a cache of small values (memcached)" in CommandLine(project)("runtime", "list").out


def test_the_second_plan_with_the_kind_comes_from_the_cache(project: Path) -> None:
    first, second = (run(project, sys.executable, "-B", "-c", RESOLVE) for _ in range(2))

    assert (first.split(), second.split()) == ([KIND, "True"], [KIND, "False"])


@variants
def test_the_fixtures_of_the_kind_give_clients_of_the_tests_own_unit(tmp_path: Path, variant: str) -> None:
    pytest.importorskip("pytest_asyncio")
    suite = suite_with(tmp_path, CLIENTS, variant)

    output = suite.run("-n2", plugins=("asyncio",))

    assert "5 passed" in output, output
    assert "0 processes, 0 ports, 0 sockets left" in output


def test_without_isolation_its_tests_share_the_service(tmp_path: Path) -> None:
    suite = suite_with(tmp_path, SHARED, "off")

    output = suite.run()

    assert "2 passed" in output, output


@variants
def test_a_failed_tests_unit_is_kept(tmp_path: Path, variant: str) -> None:
    suite = suite_with(tmp_path, FAILS, variant)
    try:
        output = suite.run("--infra-keep=failed")

        assert f"kept for test_it.py::test_bad: {KIND}" in output, output
        (capsule,) = (suite.data / "capsules").iterdir()
        (unit,) = json.loads((capsule / "units.json").read_text(encoding="utf-8"))["units"]
        endpoint = Endpoint(KIND, unit["exports"], {}, "")
        assert contract.subject(KIND).read(endpoint, "stock") == "kept"
        (dump,) = contract.files(capsule / "dumps").values()
        assert json.loads(dump) == {"stock": "kept"}
    finally:
        down(suite.data)


def suite_with(folder: Path, test: str, variant: str) -> user_suite.Suite:
    """Write a suite with two instances whose tests are isolated in this way."""
    suite = user_suite.suite_of(KIND, folder, test)
    (folder / "infra.toml").write_text(
        f'use = ["{KIND}", "second"]\n[services.second]\nkind = "{KIND}"\n', encoding="utf-8"
    )
    with (folder / "pytest.ini").open("a", encoding="utf-8") as file:
        file.write("asyncio_default_fixture_loop_scope = function\n" * ("asyncio" in test))
        file.write(f"infra_isolation =\n    {KIND}: {variant}\n    second: {variant}\n")
    return suite


def down(data: Path) -> None:
    """Stop the stack in a data directory, if one runs there."""
    if Path(Paths(str(data)).data).exists():
        try:
            attach(data).down()
        except NoStackError:
            return
