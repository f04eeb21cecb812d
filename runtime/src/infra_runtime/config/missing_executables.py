"""Determine the missing executables of a stack, and install the recipes that contain them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path

from infra_runtime import catalogue
from infra_runtime.binaries import Binary, installation, recipes, search, store
from infra_runtime.binaries.artefacts import Progress
from infra_runtime.binaries.lockfile import Locked
from infra_runtime.binaries.recipe import Recipe
from infra_runtime.config import declared_recipes, stack_file
from infra_runtime.config.request import Resolved
from infra_runtime.services.image_service import ENGINE
from infra_runtime.value import frozen


@frozen
class Installable:
    """A recipe that can be installed, and the entry of the lock for the recipe on this platform."""

    recipe: Recipe
    locked: Locked

    def __str__(self) -> str:
        size = f"{self.locked.size / 1e6:.1f} MB"
        return (
            f"{self.recipe.name} {self.locked.version}: {size}, {self.recipe.licence}, {self.locked.source}"
        )


def missing(resolved: Resolved) -> list[Binary]:
    """Return those executables in `used(resolved)` that are missing on this machine."""
    root = Path(resolved.plan.root)
    return [binary for binary in used(resolved) if not search(binary, None, project=root).path]


def used(resolved: Resolved) -> list[Binary]:
    """Return the required executables that a plan uses.

    Executables whose path is the setting `binary` are omitted. If an executable is installed together with
    another executable (`Binary.beside`), only that other executable is in the result.
    """
    return list(dict.fromkeys(_used(resolved)))


def _used(resolved: Resolved) -> Iterator[Binary]:
    declared: set[str] = set()
    for spec in resolved.plan.services:
        if not spec.kind:
            continue
        table = resolved.table(spec.name)
        binaries = catalogue.entry(spec.kind).executables(table)
        declared |= {binary.name for binary in binaries}
        if not table.get("binary"):
            # The installation of the executable `beside` contains this executable, too.
            yield from (binary.beside or binary for binary in binaries if not binary.optional)
    for name in sorted(resolved.plan.binaries() - declared):
        if "@" not in name and name != ENGINE.name:  # no recipe installs a container engine
            yield Binary(name=name)


def installable(binaries: Iterable[Binary], root: Path) -> list[Installable]:
    """Return the recipes that install these executables; executables without a recipe are ignored.

    `root` is the folder of the stack file. The recipes in this file and the lock in this folder take
    precedence over those of pytest-infra.

    Raises `InstallError` if a recipe has no artefact for this platform, or its licence is refused.
    """
    users = declared_recipes.declared(stack_file.find(root))
    all_known = recipes.all_recipes(users)
    locks, platform = installation.read_locks(root), installation.current_platform()
    chosen_recipes = {recipe.name: recipe for recipe in providing(binaries, all_known.values())}
    return [
        Installable(recipe=recipe, locked=installation.required(recipe, locks, platform))
        for recipe in recipes.with_needed(chosen_recipes.values(), users)
    ]


def providing(binaries: Iterable[Binary], known: Collection[Recipe]) -> Iterator[Recipe]:
    """Yield the recipe of each executable that has a recipe; `known` contains all recipes."""
    for binary in binaries:
        recipe = recipes.providing(binary.name, known, major=binary.major, features=binary.features)
        if recipe:
            yield recipe


def install(
    chosen: Sequence[Installable],
    root: Path,
    *,
    report: Callable[[str], None],
    progress: Progress | None = None,
) -> None:
    """Install recipes in the store of this user with `installation.install_or_renew`.

    `root` is the folder of the stack file. `report` is called with a line of text for each change of the
    lock.
    """
    recipes_to_install = [(choice.recipe, choice.locked) for choice in chosen]
    installation.install_or_renew(
        recipes_to_install, store.default(), project=root, report=report, progress=progress
    )
