"""The examples of each page are run: Python, stack files, commands with their output.

The fenced blocks of a page run in their order, in a new folder for each page. The language decides how:

    toml            a stack file, which must resolve
    ini             settings of pytest, which must accept all of them
    python          a script; with tests in it, it is run by pytest
    console         each `$ command` is run, and the text after it must be its output; `…` matches any text
    LANG title=NAME is written to the file NAME, for later blocks

A block after the line `<!-- not run: reason -->` is not run.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import infra_runtime as infra
from fakes.pages import PAGES, ROOT, blocks, links
from infra_runtime.config.resolve import resolve
from infra_runtime.errors import NoStackError

#: pages contain the ports of the environment `development`, a test has leased ones
PORT = re.compile(r"(?<=127\.0\.0\.1:)\d+")
#: in the environment `test`, printed commands have the data directory of the page's project
DATA = re.compile(r" --data \S*/\.data-test(?=`)")
#: page → the kinds of its examples, besides those of the default stack
OTHER_SERVERS = {"collect-metrics": ("prometheus", "alertmanager"), "test-traces": ("telemetry",)}
#: seconds that a command may take
TIMEOUT = 120.0


def parameters() -> Iterator[object]:
    for page in PAGES:
        servers = any(block.needs_servers for block in blocks(page))
        own = (page.stem,) if page.parent.name == "services" else OTHER_SERVERS.get(page.stem, ())
        marks = (
            [pytest.mark.real("nats", "postgres", "valkey", "caddy", "pocketbase", "mail", *own)]
            if servers
            else []
        )
        yield pytest.param(page, id=str(page.relative_to(ROOT)), marks=marks)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """Return a folder for the files of the page; stacks that still run at the end are stopped."""
    folder = tmp_path / "project"
    folder.mkdir()
    yield folder
    for journal in folder.rglob(".data*/events.jsonl"):
        with contextlib.suppress(NoStackError):
            infra.attach(journal.parent, lease=False).down()


@pytest.mark.parametrize("page", list(parameters()))
def test_the_examples_of_a_page_run(page: Path, project: Path) -> None:
    for number, block in enumerate(blocks(page)):
        where = f"{page.relative_to(ROOT)}:{block.line}"
        if block.reason:
            continue
        if block.title:
            file = project / block.title
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text, encoding="utf-8")
        elif block.language == "toml":
            resolve_alone(block.text, project.parent / f"stack-{number}")
        elif block.language == "ini":
            read_settings(block.text, project.parent / f"settings-{number}")
        elif block.language == "python":
            run_python(block.text, project, number, where)
        elif block.language == "console":
            run_console(block.text, project, where)


def test_the_tutorial_contains_all_files_of_the_example() -> None:
    """The files are equal, so CI runs exactly what a reader of the tutorial builds."""
    example = ROOT / "examples" / "orders"
    shown = {
        block.title: block.text
        for block in blocks(ROOT / "docs" / "tutorial" / "first-stack.md")
        if block.title
    }
    files = {
        str(file.relative_to(example)): file.read_text(encoding="utf-8")
        for pattern in ("*.toml", "migrations/*.sql", "orders/*.py", "tests/*.py")
        for file in example.glob(pattern)
    }

    assert shown == files


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_targets_of_links_exist(page: Path) -> None:
    assert [target for target in links(page) if not (page.parent / target).exists()] == []


def test_every_page_can_be_reached_from_the_index() -> None:
    reached: set[Path] = set()
    queue = [ROOT / "docs" / "index.md"]
    while queue:
        page = queue.pop()
        reached.add(page)
        linked = {(page.parent / target).resolve() for target in links(page)}
        queue += [target for target in linked if target in PAGES and target not in reached]

    assert [str(page) for page in PAGES if page.is_relative_to(ROOT / "docs") and page not in reached] == []


def resolve_alone(text: str, folder: Path) -> None:
    """Resolve a stack file in a new project, without a search for executables."""
    folder.mkdir()
    name = "pyproject.toml" if "[tool.infra" in text else "infra.toml"
    (folder / name).write_text(text, encoding="utf-8")
    resolve(directory=folder, environment="test", executables=False)


def read_settings(text: str, folder: Path) -> None:
    """Start pytest with these settings in a folder without tests; an unknown setting is an error."""
    folder.mkdir()
    (folder / "pytest.ini").write_text(text, encoding="utf-8")
    result = run([sys.executable, "-m", "pytest", "--strict-config", "-p", "no:cacheprovider"], folder)

    assert result.returncode == pytest.ExitCode.NO_TESTS_COLLECTED, result.stdout


def run_python(text: str, project: Path, number: int, where: str) -> None:
    """Run a script, or the tests in it."""
    tests = "def test_" in text
    file = project / f"{'test_' if tests else ''}block_{number}.py"
    file.write_text(text, encoding="utf-8")
    runner = ["-m", "pytest", "-q", "-p", "no:cacheprovider"] if tests else []
    result = run([sys.executable, *runner, str(file)], project)

    assert result.returncode == 0, f"{where}\n{result.stdout}"


def run_console(text: str, project: Path, where: str) -> None:
    """Run each command, and compare its output."""
    for command, expected in commands(text):
        result = run(["bash", "-ec", command], project)

        assert matches(expected, result.stdout), f"{where}: $ {command}\n{result.stdout}"
        assert result.returncode == 0, f"{where}: $ {command}: exit {result.returncode}"


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Yield each command with its expected output."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        while command.endswith("\\"):
            continuation, _, expected = expected.partition("\n")
            command = command[:-1] + continuation.removeprefix("> ")
        yield command, expected


def matches(expected: str, actual: str) -> bool:
    """Return whether the output is as expected: `…` matches any text, white space is normalised."""
    pieces = [re.escape(_plain(piece)) for piece in expected.split("…")]
    return re.fullmatch(r"\s*" + ".*".join(pieces) + r"\s*", _plain(actual), re.DOTALL) is not None


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", DATA.sub("", PORT.sub("PORT", text))).strip(" ")


def run(argv: list[str], project: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in the environment `test`, with the scripts of this Python first in PATH."""
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        "INFRA_ENV": "test",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "160",
    }
    return subprocess.run(
        argv,
        cwd=project,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )
