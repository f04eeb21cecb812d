"""The recipes, locks and store that the commands of `infra bin` work on."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from infra_runtime.value import frozen

if TYPE_CHECKING:
    from infra_runtime.binaries.installation import Locks
    from infra_runtime.binaries.lockfile import Locked
    from infra_runtime.binaries.recipe import Recipe
    from infra_runtime.binaries.store import Installed, Store


@frozen
class Project:
    """The project of a directory: its folder, and the recipes of its stack file."""

    #: the folder of the stack file, or the directory itself
    root: Path
    own_recipes: Sequence[Recipe]

    def recipes(self) -> dict[str, Recipe]:
        """Return the recipes of the stack file, of other distributions and of pytest-infra, by name."""
        from infra_runtime.binaries import recipes

        return recipes.all_recipes(self.own_recipes)

    def selected(self, names: Sequence[str]) -> list[Recipe]:
        """Return the recipes with these names; the name of a program selects the recipe that installs it.

        Raises `ConfigurationError` for an unknown name.
        """
        from infra_runtime.binaries import recipes

        by_name = {recipe.name: recipe for recipe in (recipes.find(name, self.own_recipes) for name in names)}
        return list(by_name.values())

    def selected_and_needed(self, names: Sequence[str]) -> list[Recipe]:
        """Return the recipes with these names, and the recipes that they need; needed recipes come first."""
        from infra_runtime.binaries import recipes

        return recipes.with_needed(self.selected(names), self.own_recipes)

    def locks(self) -> Locks:
        """Return the lock of the project and the lock of pytest-infra."""
        from infra_runtime.binaries import installation

        return installation.read_locks(self.root)

    def store(self) -> Store:
        """Return the store: the folder INFRA_BINARIES with the installed executables of this user."""
        from infra_runtime.binaries import store

        return store.default()

    def installed(self, names: Sequence[str]) -> list[Installed]:
        """Return the installed entries of the store for these names; without names, return all entries.

        The name of a program selects the entries that contain the program. The entries can belong to other
        projects. Raises `UsageError` if a name has no entry.
        """
        entries = self.store().installed()
        by_name = {name: [entry for entry in entries if _is_of(entry, name)] for name in names}
        if unknown := [name for name, named_entries in by_name.items() if not named_entries]:
            raise click.UsageError(f"not installed: {', '.join(sorted(unknown))}")
        return [entry for entry in entries if not names or any(_is_of(entry, name) for name in names)]


def _is_of(entry: Installed, name: str) -> bool:
    return name == entry.locked.recipe or name in entry.programs


def project(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option `--directory` to a command. The command receives a `Project` as its first argument."""

    @click.option(
        "-C",
        "--directory",
        type=click.Path(path_type=Path, file_okay=False, exists=True),
        help="The directory in which the search for the stack file begins. [default: the working directory]",
    )
    @functools.wraps(command)
    def with_project(*, directory: Path | None, **options: Any) -> Any:
        return command(project_of(directory), **options)

    return with_project


def project_of(directory: Path | None) -> Project:
    """Return the project of a directory; None means the working directory."""
    from infra_runtime.config import stack_file

    start = (directory or Path.cwd()).resolve()
    file = stack_file.find(start)
    own_recipes: Sequence[Recipe] = ()
    if file and "binaries" in file.values:
        from infra_runtime.config import declared_recipes  # imports pydantic, which is slow

        own_recipes = declared_recipes.declared(file)
    return Project(root=file.path.parent if file else start, own_recipes=own_recipes)


def entry_document(locked: Locked) -> dict[str, Any]:
    """Return a lock entry as JSON data for the output of several commands."""
    return {
        "name": locked.recipe,
        "platform": locked.platform,
        "version": locked.version,
        "source": locked.source,
        "licence": locked.licence,
        "bytes": locked.size,
    }
