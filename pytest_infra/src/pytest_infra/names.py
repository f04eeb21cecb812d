"""Which services become fixtures: told without pydantic, and in no time where there is no stack file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from keyword import iskeyword
from pathlib import Path
from typing import Any

from pytest_infra.options import Options

BUILT_IN = ("nats", "postgres", "valkey", "caddy", "pocketbase")

#: our table, in any way to write it; a distribution that merely depends on the kit does not match
_OUR_TABLE = rb"(?m)(?:\btool\s*\.|^)\s*[\"']?infra\b"


def services(options: Options) -> dict[str, str]:
    """Fixture → service: ours, those of the options, those that the stack file names.

    What is wrong with that file is told to the tests that need a service.
    """
    found = [*BUILT_IN, *options.services]
    if _stack_file_may_be_there(options.directory):
        found += _named_in_stack_file(options)
    fixtures = {name.replace("-", "_"): name for name in found}
    return {
        fixture: name
        for fixture, name in fixtures.items()
        if fixture.isidentifier() and not iskeyword(fixture)
    }


def _stack_file_may_be_there(directory: Path) -> bool:
    for folder in (directory, *directory.parents):
        if (folder / "infra.toml").is_file():
            return True
        try:
            if re.search(_OUR_TABLE, (folder / "pyproject.toml").read_bytes()):
                return True
        except OSError:
            continue
    return False


def _named_in_stack_file(options: Options) -> list[str]:
    from infra_runtime import stackfile
    from infra_runtime.errors import ConfigurationError

    try:
        file = stackfile.find(options.directory)
        if file is None:
            return []
        over = stackfile.overlay(file, options.environment)
        tables: list[object] = [file.values, over.values if over else {}]
    except ConfigurationError:
        return []
    environments = file.values.get("environment")
    if isinstance(environments, Mapping):
        tables.append(environments.get(options.environment, {}))
    return [name for table in tables if isinstance(table, Mapping) for name in _named(table)]


def _named(table: Mapping[str, Any]) -> Iterator[str]:
    chosen = table.get("use")
    if isinstance(chosen, list):
        yield from (name for name in chosen if isinstance(name, str))
    services = table.get("services")
    if isinstance(services, Mapping):
        yield from services
