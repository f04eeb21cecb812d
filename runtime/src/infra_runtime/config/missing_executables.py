"""The executables that a stack needs and this machine does not have, and the recipes that install them."""

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
    """A recipe that can be installed, and its lock entry for this platform."""

    recipe: Recipe
    locked: Locked

    def __str__(self) -> str:
        size = f"{self.locked.size / 1e6:.1f} MB"
        return (
            f"{self.recipe.name} {self.locked.version}: {size}, {self.recipe.licence}, {self.locked.source}"
        )


def missing(resolved: Resolved) -> list[Binary]:
    """Return the required executables that a plan uses and that are missing."""
    root = Path(resolved.plan.root)
    return [binary for binary in used(resolved) if not search(binary, None, project=root).path]


def used(resolved: Resolved) -> list[Binary]:
    """Return the required executables that a plan uses.

    If an executable is part of the installation of another executable (`Binary.beside`), only the other one
    is returned.

    If the setting `binary` determines the path of an executable, the executable is not returned, because it
    is not searched for.
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
            # An executable beside another one is part of the same installation.
            yield from (binary.beside or binary for binary in binaries if not binary.optional)
    for name in sorted(resolved.plan.binaries() - declared):
        if "@" not in name and name != ENGINE.name:  # no recipe installs a container engine
            yield Binary(name=name)


def installable(binaries: Iterable[Binary], root: Path) -> list[Installable]:
    """Return the recipes that install these executables; executables without a recipe are left out.

    `root` is the folder of the stack file, whose recipes and lock take precedence.

    Raises `InstallError` if a recipe has no artefact for this platform, or its licence is refused.
    """
    users = declared_recipes.declared(stack_file.find(root))
    known = recipes.all_recipes(users)
    locks, platform = installation.read_locks(root), installation.current_platform()
    chosen = {recipe.name: recipe for recipe in providing(binaries, known.values())}
    return [
        Installable(recipe=recipe, locked=installation.required(recipe, locks, platform))
        for recipe in recipes.with_needed(chosen.values(), users)
    ]


def providing(binaries: Iterable[Binary], known: Collection[Recipe]) -> Iterator[Recipe]:
    """Yield the recipe of each executable that has one; `known` are all recipes."""
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
    """Install recipes in the store of this user, as `installation.install_or_renew` does.

    `root` is the folder of the stack file. `report` is called with lines about changes of the lock.
    """
    wanted = [(choice.recipe, choice.locked) for choice in chosen]
    installation.install_or_renew(wanted, store.default(), project=root, report=report, progress=progress)
