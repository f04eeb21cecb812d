"""`infra config show`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import click

from infra_cli import output
from infra_cli.target import Target, target
from infra_runtime.errors import ConfigurationError


@click.command(short_help="Every setting, and where its value came from.")
@click.argument("keys", nargs=-1, metavar="[KEY…]")
@click.option("--profile", help="As for `infra runtime up`.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON document: key → value, source.")
@target
def command(target: Target, *, keys: tuple[str, ...], profile: str | None, as_json: bool) -> None:
    """Every setting of the stack, and where its value came from; secrets are masked.

    With KEY only what begins with it, such as `services.postgres`.

    \b
    Examples:
      infra config show services.postgres
      infra config show services.api.env --env production
    """
    target.note_misspelt()
    settings = target.resolve(profile=profile, executables=False).provenance
    found = {key: origin for key, origin in settings.items() if not keys or _begins(key, keys)}
    for wanted in keys:
        if not any(_begins(key, [wanted]) for key in found):
            raise ConfigurationError(f"there is no setting {wanted!r}{_nearest(wanted, settings)}")
    if as_json:
        output.say_json(
            {key: {"value": _plain(origin.value), "source": origin.source} for key, origin in found.items()}
        )
        return
    rows = (
        (key, _brief(origin.value), output.styled(origin.source, dim=True)) for key, origin in found.items()
    )
    for line in output.columns(rows, header=("KEY", "VALUE", "FROM")):
        output.say(line)


def _begins(key: str, keys: Iterable[str]) -> bool:
    return any(f"{key}.".startswith(f"{wanted}.") for wanted in keys)


def _nearest(wanted: str, settings: Iterable[str]) -> str:
    """The setting, or the table of settings, that was perhaps meant."""
    from infra_runtime.errors import nearest

    depth = wanted.count(".") + 1
    return nearest(wanted, {".".join(key.split(".")[:depth]) for key in settings})


def _plain(text: str) -> Any:
    """The value itself. What was masked, and what is text from the start, is no JSON."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _brief(text: str) -> str:
    """The value for a person: of a table, only what it says."""
    value = _plain(text)
    if isinstance(value, dict):
        said = {name: each for name, each in value.items() if each not in (None, "", [])}
        return json.dumps(said, ensure_ascii=False)
    return text
