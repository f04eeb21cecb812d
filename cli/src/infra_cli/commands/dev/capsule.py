"""`infra dev capsule`: what failed tests left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from infra_cli import output, usage
from infra_cli.target import Target, target
from infra_runtime.errors import InfraError

TEST = "test"


@click.group(cls=usage.Group, short_help="What failed tests left: logs, states, settings, dumps.")
def command() -> None:
    """What failed tests left: logs, states, settings, dumps.

    \b
    infra dev capsule list
    infra dev capsule show test_orders
    """


@command.command("list", short_help="The capsules, newest last.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON document.")
@target
def list_all(target: Target, *, as_json: bool) -> None:
    """The capsules of this project's tests, newest last. Needs no running stack.

    \b
    Example:
      infra dev capsule list"""
    found = [{**told, "folder": str(folder)} for folder, told in known(target)]
    if as_json:
        output.say_json({"capsules": found})
        return
    rows = ((it["test"], it["phase"], output.moment(it["began"]), it["folder"]) for it in found)
    for line in output.columns(rows, header=("TEST", "PHASE", "BEGAN", "FOLDER")):
        output.say(line)


@command.command(short_help="One capsule: the failure, the states, the logs.")
@click.argument("test", metavar="TEST")
@click.option("--json", "as_json", is_flag=True, help="As a JSON document, logs included.")
@target
def show(target: Target, *, test: str, as_json: bool) -> None:
    """One capsule: the failure, the states of the services, and all that they said during the test.

    TEST is the test's id or a part of it; the newest capsule that fits is shown.

    \b
    Examples:
      infra dev capsule show test_orders
      infra dev capsule show test_orders --json | jq -r .logs.postgres
    """
    fitting = [(folder, told) for folder, told in known(target) if test in told["test"]]
    if not fitting:
        raise NoCapsuleError(test, [told["test"] for _, told in known(target)])
    folder, told = fitting[-1]
    logs = {path.stem: path.read_text(encoding="utf-8") for path in sorted((folder / "logs").glob("*.log"))}
    if as_json:
        output.say_json({**told, "folder": str(folder), "logs": logs})
        return
    output.say(output.styled(f"{told['test']}: failed in {told['phase']}", bold=True))
    output.say(str(folder))
    output.say()
    output.say(told["failure"])
    for service in told["stack"].get("services", ()):
        again = f", restarted {service['restarts']} times" if service["restarts"] else ""
        output.say(f"{service['name']}: {output.phase(service['phase'])}{again} {service['reason']}".rstrip())
    for unit, place in told.get("dumps", {}).items():
        output.say(f"{unit}: {place}")
    for name, text in logs.items():
        output.say()
        output.say(output.styled(f"--- {name}", bold=True))
        output.say(text.rstrip())


class NoCapsuleError(InfraError):
    """No failed test of that name left anything here."""

    hint = "`infra dev capsule list` shows what there is."

    def __init__(self, test: str, known: list[str]) -> None:
        super().__init__(test, known)
        self.test, self.known = test, known

    def __str__(self) -> str:
        return f"no capsule of a test with {self.test!r} in its id"


def known(target: Target) -> list[tuple[Path, dict[str, Any]]]:
    """Folder and content of each capsule, by the time of its test; the tests' own unless told otherwise."""
    data = Path((target if target.environment or target.data else target.within(TEST)).paths().data)
    found = []
    for path in data.glob("**/capsules/*/capsule.json"):
        try:
            found.append((path.parent, json.loads(path.read_text(encoding="utf-8"))))
        except (OSError, ValueError):
            continue  # of a run that was killed while it wrote
    return sorted(found, key=lambda it: float(it[1]["began"]))
