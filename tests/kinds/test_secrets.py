"""A whole stack in a terminal and in tests: no output, file or command line has one of its secrets."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from fakes.command_line import CommandLine
from fakes.stacks import SERVER
from kinds import contract
from kinds.user_suite import Suite

pytestmark = pytest.mark.real("postgres", "nats", "valkey", "pocketbase", "caddy")

KINDS = ("postgres", "nats", "valkey", "pocketbase", "caddy")
GIVEN = {
    "API_TOKEN": "token-from-the-environment",
    "UPSTREAM": "https://me:password-in-a-url@example.org",
    "OPENING": "declared-as-sensitive",
}
STACK = f"""
use = {json.dumps([*KINDS, "app"])}

[services.app]
command = ["${{bin.python}}", "-I", "-S", "{SERVER}", "${{port.http}}"]
ports = {{ http = 18941 }}
env = {{ TOKEN = "${{env.API_TOKEN}}", D = "${{postgres.url}}", N = "${{nats.url}}", C = "${{valkey.url}}" }}
exports = {{ token = "${{env.API_TOKEN}}", upstream = "${{env.UPSTREAM}}", gate = "${{env.OPENING}}", \
password = "literal-password", dsn = "host=db password=password-in-a-dsn" }}
sensitive = ["OPENING"]
"""
LITERALS = {"literal-password", "password-in-a-dsn", *GIVEN.values()} - {GIVEN["UPSTREAM"]} | {
    "password-in-a-url"
}
TEST = """
import json, os
from pathlib import Path
from typing import Self
from kinds import contract

def test_bad(postgres, nats, valkey, pocketbase, caddy, infra_stack):
    endpoints = infra_stack.endpoints().values()
    units = (postgres, nats, valkey, pocketbase)
    secrets = {secret for endpoint in (*endpoints, *units) for secret in endpoint.sensitive}
    secrets |= contract.secrets(infra_stack.data, *endpoints, *units)
    Path(os.environ["NOTE"]).write_text(json.dumps(sorted(secrets)))
    assert False
"""
COMMANDS = (
    "runtime status",
    "runtime status --json",
    "runtime plan",
    "runtime plan --json",
    "runtime plan --bound",
    "runtime plan --bound --json",
    "runtime events --json",
    "runtime analyze --json",
    "runtime logs",
    "runtime list --json",
    "config env",
    "config env --json",
    "config show",
    "config show --json",
    "config validate --json",
    "cache list --json",
)
#: files that contain secrets by their purpose; only their owner may read them
PRIVATE = ("*.secret", "nats.conf", "valkey.conf")


class CommandLines:
    """Collects the command lines of all new processes of the machine, again and again, in a thread."""

    def __init__(self) -> None:
        self.lines: set[str] = set()
        self._earlier = self._numbers()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._stop.wait(0.005):
            numbers = self._numbers()
            self._earlier &= numbers  # a new process can get the number of a process that has exited
            for number in numbers - self._earlier:
                with contextlib.suppress(OSError):
                    self.lines.add(Path("/proc", number, "cmdline").read_text(errors="replace"))

    @staticmethod
    def _numbers() -> set[str]:
        return {name for name in os.listdir("/proc") if name.isdecimal()}  # noqa: PTH208 - only the names

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CommandLine]:
    """A project with all kinds and with a service that the stack file describes, and a separate cache."""
    root = tmp_path / "project"
    root.mkdir()
    (root / "infra.toml").write_text(STACK, encoding="utf-8")
    (root / "test_it.py").write_text(TEST, encoding="utf-8")
    (root / "pytest.ini").touch()
    cache = str(tmp_path / "cache")
    for name, value in {**GIVEN, "INFRA_CACHE": cache, "NOTE": str(tmp_path / "note")}.items():
        monkeypatch.setenv(name, value)
    infra = CommandLine(root, INFRA_ENV="test", INFRA_DATA=str(root / "data"), INFRA_CACHE=cache)
    yield infra
    infra("runtime", "down")


def test_no_output_file_or_command_line_of_a_run_has_a_secret(project: CommandLine, tmp_path: Path) -> None:
    root, outputs = project.root, {}
    with CommandLines() as processes:
        outputs["up"] = repr(project("runtime", "up", "--detach", "--json"))
        for command in COMMANDS:
            outputs[command] = repr(project(*command.split()))
        revealed = project("config", "env", "--reveal", "--json").json
        masked = project("config", "env", "--json").json
        secrets = {revealed[name] for name, value in masked.items() if value is None} | LITERALS
        secrets |= contract.secrets(root / "data")
        exposed = readable(root, tmp_path / "cache", secrets)
        outputs["down"] = repr(project("runtime", "down"))
        outputs["pytest"] = Suite(folder=root).run("-v", "-n1")
    secrets |= set(json.loads((tmp_path / "note").read_text(encoding="utf-8")))

    assert "1 failed" in outputs["pytest"]
    assert len(secrets) > 15
    assert list(root.rglob("capsule.json"))
    assert contract.disclosures(secrets, outputs) == []
    assert contract.disclosures(secrets, {line: line for line in processes.lines}) == []
    assert exposed == readable(root, tmp_path / "cache", secrets) == []


def readable(root: Path, cache: Path, secrets: set[str]) -> list[str]:
    """Return the files that contain a secret, except private files whose purpose is to store secrets."""
    disclosures = contract.disclosures(secrets, contract.files(root, cache))
    return [
        name
        for name in disclosures
        if name != str(root / "infra.toml")
        and not (any(Path(name).match(pattern) for pattern in PRIVATE) and _is_private(Path(name)))
        and f"{cache}/plans/" not in name  # the stack file's own text, readable for the owner
    ]


def _is_private(path: Path) -> bool:
    status = path.stat()
    return stat.S_IMODE(status.st_mode) == 0o600 and status.st_uid == os.geteuid()
