"""The executables that a stack needs and this machine does not have, and the recipes that install them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from infra_runtime import catalogue
from infra_runtime.binaries import Binary, installation, recipes, search, store
from infra_runtime.binaries.installation import Progress
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


def missing(resolved: Resolved) -> list[str]:
    """Return the names of the required executables that a plan uses and that are missing.

    An executable whose place the setting `binary` determines is left out, because it is not searched for.
    """
    return list(dict.fromkeys(_missing(resolved)))


def _missing(resolved: Resolved) -> Iterator[str]:
    root = Path(resolved.plan.root)
    known: set[str] = set()
    for spec in resolved.plan.services:
        if not spec.kind:
            continue
        binaries = catalogue.entry(spec.kind).binaries
        known |= {binary.name for binary in binaries}
        setting = resolved.provenance.get(f"services.{spec.name}.binary")
        if setting and setting.value != "null":
            continue
        for binary in binaries:
            # An executable beside another one is part of the same installation.
            leader = binary.beside or binary
            if not binary.optional and not search(leader, None, project=root).path:
                yield leader.name
    for name in sorted(resolved.plan.binaries() - known):
        # No recipe installs a container engine.
        if "@" not in name and name != ENGINE.name and not search(Binary(name=name), None, project=root).path:
            yield name


def installable(names: Sequence[str], root: Path) -> list[Installable]:
    """Return the recipes that install these executables; executables without a recipe are left out.

    `root` is the folder of the stack file, whose recipes and lock take precedence.

    Raises `InstallError` if a recipe has no artefact for this platform, or its licence is refused.
    """
    users = declared_recipes.declared(stack_file.find(root))
    known = recipes.all_recipes(users)
    locks, platform = installation.read_locks(root), installation.current_platform()
    providing = [recipes.providing(name, known.values()) for name in names]
    chosen = {recipe.name: recipe for recipe in providing if recipe}
    return [
        Installable(recipe=recipe, locked=installation.required(recipe, locks, platform))
        for recipe in recipes.with_needed(chosen.values(), users)
    ]


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
    wanted = [(each.recipe, each.locked) for each in chosen]
    installation.install_or_renew(wanted, store.default(), project=root, report=report, progress=progress)
