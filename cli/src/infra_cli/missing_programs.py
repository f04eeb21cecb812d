"""The programs that a stack needs and this machine does not have, and the recipes that install them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from infra_cli.programs import programs
from infra_runtime.value import frozen

if TYPE_CHECKING:
    from infra_runtime.binaries.lockfile import Locked
    from infra_runtime.binaries.recipe import Recipe
    from infra_runtime.config.resolve import Resolved


@frozen
class Wanted:
    """A recipe to install, and its lock entry for this platform."""

    recipe: Recipe
    locked: Locked

    def line(self) -> str:
        """Return name, version, size, licence and source, for the question and the report."""
        locked = self.locked
        size = f"{locked.size / 1e6:.1f} MB"
        return f"{locked.recipe} {locked.version}, {size}, {self.recipe.licence}, from {locked.source}"


def missing(resolved: Resolved) -> list[str]:
    """Return the names of the required programs that are missing, for a plan without executables."""
    names: dict[str, None] = {}
    for spec in resolved.plan.services:
        for program in programs(spec.name, resolved, kind=spec.kind) if spec.kind else ():
            if program.path is None and not program.optional:
                names[program.name] = None
    for name in _programs_of_users(resolved):
        names[name] = None
    return list(names)


def _programs_of_users(resolved: Resolved) -> Iterator[str]:
    """Yield the missing programs to which only the user's own services refer."""
    from infra_runtime import catalogue
    from infra_runtime.binaries import Binary, search

    kinds = {spec.kind for spec in resolved.plan.services if spec.kind}
    known = {binary.name for kind in kinds for binary in catalogue.entry(kind).binaries}
    for name in sorted(resolved.plan.binaries() - known):
        root = Path(resolved.plan.root)
        if "@" not in name and not search(Binary(name=name), None, project=root).path:
            yield name


def wanted(names: Sequence[str], own_recipes: Sequence[Recipe], root: Path) -> list[Wanted]:
    """Return the recipes of missing programs with their lock entries; programs without a recipe are left out.

    Raises `InstallError` if a recipe has no artefact for this platform.
    """
    from infra_runtime.binaries import installation, recipes

    locks, platform = installation.read_locks(root), installation.current_platform()
    known = recipes.all_recipes(own_recipes)
    found = {}
    for name in names:
        if recipe := recipes.providing(name, known.values()):
            found[recipe.name] = recipe
    return [
        Wanted(recipe=recipe, locked=installation.required(recipe, locks, platform))
        for recipe in found.values()
    ]
