"""Find the executables of services and the tools, for the commands that list, check and run them."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from infra_runtime import binaries, catalogue
from infra_runtime.binaries.recipe import Recipe
from infra_runtime.binaries.recipes import providing
from infra_runtime.config.resolve import Resolved
from infra_runtime.errors import BinaryMissingError
from infra_runtime.value import frozen


@frozen
class Program:
    """An executable of a service: its path if it was found, otherwise the problem and a hint."""

    name: str
    #: whether the service also runs without this executable
    optional: bool
    path: Path | None = None
    problem: str = ""
    hint: str = ""


def programs(service: str, resolved: Resolved | None, *, kind: str = "") -> Iterator[Program]:
    """Yield the executables of one service; `kind` is required if it differs from the name of the service."""
    entry = catalogue.entry(kind or service)
    setting = _setting(service, resolved) if resolved else None
    project = Path(resolved.plan.root) if resolved else None
    for binary in entry.executables(resolved.table(service) if resolved else {}):
        try:
            path = binaries.locate(binary, setting=setting, project=project)
        except BinaryMissingError as error:
            yield Program(name=binary.name, optional=binary.optional, problem=error.problem, hint=error.hint)
        else:
            yield Program(name=binary.name, optional=binary.optional, path=path)


def binary(program: str, recipes: Mapping[str, Recipe]) -> binaries.Binary:
    """Return the description of an executable for the search; `recipes` are all recipes by name.

    If no kind describes the program, the description of another program of its recipe is used: a client, for
    example, is searched in the same folders as its server.
    """
    descriptions = _described()
    if program in descriptions:
        return descriptions[program]
    recipe = providing(program, recipes.values())
    for recipe_program in recipe.programs if recipe else ():
        if description := descriptions.get(recipe_program):
            return replace(description, name=program, aliases=(), oldest=0, optional=False)
    return binaries.Binary(name=program)


@functools.cache
def _described() -> Mapping[str, binaries.Binary]:
    """Return the executables of all kinds by name, except Python modules."""
    entries = (catalogue.entry(kind) for kind in catalogue.names())
    return {binary.name: binary for entry in entries for binary in entry.binaries if not binary.module}


def _setting(service: str, resolved: Resolved) -> Path | None:
    binary = resolved.table(service).get("binary")
    return Path(resolved.plan.root) / Path(binary).expanduser() if binary else None
