"""The command `infra config show`, which prints every setting and the source of its value."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import click

from infra_cli import output
from infra_cli.profiles import PROFILES
from infra_cli.target import Target, target
from infra_runtime.errors import ConfigurationError


@click.command(short_help="Show every setting and the source of its value.")
@click.argument("keys", nargs=-1, metavar="[KEY…]")
@click.option(
    "--profile", help=f"Show only the services of a profile: {PROFILES}, or a profile of the stack file."
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print a JSON document with the value and the source of each setting.",
)
@target
def command(target: Target, *, keys: tuple[str, ...], profile: str | None, as_json: bool) -> None:
    """Show every setting of the stack and the source of its value; secrets are masked.

    The source of a value is a line of the stack file, of its overlay or of `.env`, an environment variable,
    an option, the configuration service or a default. With KEY, such as `services.postgres`, only the setting
    KEY and the settings below it (`KEY.…`) are shown.

    \b
    Examples:
      infra config show services.postgres
      infra config show services.api.env --env production
    """
    target.note_misspelled_variables()
    settings = target.resolve(profile=profile, executables=False).provenance
    selected = {key: origin for key, origin in settings.items() if not keys or _begins(key, keys)}
    for prefix in keys:
        if not any(_begins(key, [prefix]) for key in selected):
            raise ConfigurationError(f"unknown setting {prefix!r}{_nearest(prefix, settings)}")
    if as_json:
        output.say_json(
            {
                key: {"value": _plain(origin.value), "source": origin.source}
                for key, origin in selected.items()
            }
        )
        return
    rows = (
        (key, _brief(origin.value), output.styled(origin.source, dim=True))
        for key, origin in selected.items()
    )
    for line in output.columns(rows, header=("KEY", "VALUE", "FROM")):
        output.say(line)


def _begins(key: str, prefixes: Iterable[str]) -> bool:
    return any(f"{key}.".startswith(f"{prefix}.") for prefix in prefixes)


def _nearest(prefix: str, settings: Iterable[str]) -> str:
    """Return the end of an error message: the setting or table with the most similar name, or all names.

    A name with more parts than `prefix` is cut to the same number of parts.
    """
    from infra_runtime.errors import nearest

    depth = prefix.count(".") + 1
    return nearest(prefix, {".".join(key.split(".")[:depth]) for key in settings})


def _plain(text: str) -> Any:
    """Return the value of a setting for JSON output, converted from its printed text.

    A text that is not JSON, such as a masked value, is returned unchanged.
    """
    try:
        return json.loads(text)
    except ValueError:
        return text


def _brief(text: str) -> str:
    """Return the value of a setting as printed text; a table is printed without null, "" and empty lists."""
    value = _plain(text)
    if isinstance(value, dict):
        non_empty = {name: inner for name, inner in value.items() if inner not in (None, "", [])}
        return json.dumps(non_empty, ensure_ascii=False)
    return text
