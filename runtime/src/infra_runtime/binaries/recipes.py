"""The recipes of the kit (`kit.toml`), and the recipes that other distributions add by entry point."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from infra_runtime.binaries.lockfile import RECIPE_NAME as NAME
from infra_runtime.binaries.recipe import Archive, Debian, Go, Maven, Npm, Recipe, Source, Wheel
from infra_runtime.errors import ConfigurationError, nearest

#: the group of the entry points that add recipes of other distributions; each entry point is a `Recipe`
GROUP = "infra.binaries"
#: the program that runs Java programs, and the program that mounts folders at absolute paths
JAVA, BUBBLEWRAP = "java", "bwrap"
#: the folder of the downloads in the store, beside the folders of the recipes
DOWNLOADS = "downloads"
_KIT = Path(__file__).with_name("kit.toml")


@functools.cache
def kit() -> Mapping[str, Recipe]:
    """Return a mapping from name to recipe, for the recipes of the kit."""
    import tomllib  # imported late: only a missing program and `infra bin` need the recipes

    tables = tomllib.loads(_KIT.read_text(encoding="utf-8"))
    return {name: decode(name, table) for name, table in sorted(tables.items())}


def decode(name: str, table: Mapping[str, Any], *, is_users: bool = False) -> Recipe:
    """Return a recipe from a valid table with the fields of `[binaries.NAME]` in the stack file."""
    programs = table["programs"]
    return Recipe(
        name=name,
        programs=dict(programs) if isinstance(programs, Mapping) else dict.fromkeys(programs, ""),
        sources=tuple(_sources(table)),
        licence=table["licence"],
        homepage=table.get("homepage", ""),
        hint=table.get("hint", ""),
        summary=table.get("summary", ""),
        major=table.get("major", 0),
        features=tuple(table.get("features", ())),
        is_users=is_users,
    )


def _sources(table: Mapping[str, Any]) -> Iterator[Source]:
    version = table.get("version", "")
    if distribution := table.get("wheel"):
        yield Wheel(distribution=distribution, version=version)
    if packages := table.get("debian"):
        mounts, without = tuple(table.get("mounts", ())), tuple(table.get("without", ()))
        yield Debian(
            packages=tuple(packages),
            release=table.get("release", ""),
            mounts=mounts,
            mounts_required=table.get("mounts_required", False),
            without=without,
            variables=dict(table.get("variables", {})),
            links=dict(table.get("links", {})),
        )
    if artefacts := table.get("maven"):
        classes = tuple(table.get("classes", ()))
        yield Maven(artefacts=tuple(artefacts), classes=classes, **_given(table, "java"))
    if module := table.get("go"):
        flags = tuple(module.get("flags", ()))
        yield Go(**{**module, "version": version, "flags": flags})
    if package := table.get("npm"):
        yield Npm(package=package, version=version)
    for platform, archive in table.get("archive", {}).items():
        yield Archive(platform=platform, url=archive["url"], sha256=archive["sha256"], version=version)


def _given(table: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return the items of a table whose keys are in `names` and whose values are not None."""
    return {name: table[name] for name in names if table.get(name) is not None}


def problem(recipe: Recipe) -> str:
    """Return the reason why a name or a path of a recipe is invalid in the store; empty if all are valid."""
    if not NAME.fullmatch(recipe.name) or recipe.name == DOWNLOADS:
        return f"{recipe.name!r} cannot be the name of a recipe"
    if wrong := [name for name in recipe.programs if not NAME.fullmatch(name)]:
        return f"{wrong[0]!r} cannot be the name of a program"
    if all(isinstance(source, Go | Maven) for source in recipe.sources):
        return ""  # the patterns are import paths or main classes
    for pattern in recipe.programs.values():
        parts = pattern.split("/")
        is_inside = not pattern.startswith("/") and ".." not in parts
        if not is_inside or any("**" in part and part != "**" for part in parts):
            return (
                f"{pattern!r} must be a glob pattern of a relative path in the unpacked files, without `..`"
            )
    return ""


def find(name: str, users: Iterable[Recipe] = ()) -> Recipe:
    """Return the recipe called `name`: from the stack file, from another distribution, or from the kit.

    `name` can also be the name of a program that the recipe installs. Raises `ConfigurationError` if the name
    is unknown.
    """
    recipes_by_name = all_recipes(users)
    if recipe := recipes_by_name.get(name) or providing(name, recipes_by_name.values()):
        return recipe
    raise ConfigurationError(
        f"unknown recipe {name!r}{nearest(name, recipes_by_name)}",
        hint="`infra bin list` prints all recipes; a table [binaries.NAME] in the stack file adds one.",
    )


def all_recipes(users: Iterable[Recipe] = ()) -> dict[str, Recipe]:
    """Return a mapping from name to recipe; `users`, the recipes of the stack file, take precedence."""
    return {**kit(), **_joined(), **{recipe.name: recipe for recipe in users}}


def with_needed(selected_recipes: Iterable[Recipe], users: Iterable[Recipe] = ()) -> list[Recipe]:
    """Return the recipes in `selected_recipes`, after the recipes that they need.

    Programs of Maven repositories need Java, and Debian's programs with absolute paths need bubblewrap.
    """
    selected_recipes = list(selected_recipes)
    sources = [source for recipe in selected_recipes for source in recipe.sources]
    programs = [JAVA] if any(isinstance(source, Maven) for source in sources) else []
    programs += (
        [BUBBLEWRAP] if any(isinstance(source, Debian) and source.mounts for source in sources) else []
    )
    needed = [find(program, users) for program in programs]
    return list({recipe.name: recipe for recipe in (*needed, *selected_recipes)}.values())


def providing(
    program: str, recipes: Iterable[Recipe], *, major: int = 0, features: Iterable[str] = ()
) -> Recipe | None:
    """Return the recipe that installs a program; None if there is none.

    `major` is the required major version (0: any version), and `features` are the required features. If
    several recipes fit, the order of precedence is: recipes of the stack file, recipes without
    features, the highest major version, and the last recipe in `recipes`.
    """
    suitable = [
        recipe
        for recipe in recipes
        if program in recipe.programs
        and (not major or recipe.major in {0, major})
        and set(features) <= set(recipe.features)
    ]
    order = sorted(suitable, key=lambda recipe: (recipe.is_users, not recipe.features, recipe.major))
    return order[-1] if order else None


def versions(program: str) -> str:
    """Return the major versions of a program in the recipes of the kit as a string, such as `15, 16, 18`."""
    suitable = (recipe for recipe in kit().values() if program in recipe.programs)
    return ", ".join(str(number) for number in sorted({recipe.major for recipe in suitable} - {0}))


def _joined() -> dict[str, Recipe]:
    from importlib.metadata import entry_points  # imported late: the search for entry points takes 20 ms

    joined = {}
    for entry_point in entry_points(group=GROUP):
        recipe = entry_point.load()
        if not isinstance(recipe, Recipe):
            raise ConfigurationError(
                f"{entry_point.value} should be a Recipe, but is a {type(recipe).__name__}"
            )
        if wrong := problem(recipe):
            raise ConfigurationError(f"{entry_point.value}: {wrong}")
        # The licence of the recipe is checked, because the recipe is not in the stack file.
        joined[recipe.name] = replace(recipe, is_users=False)
    return joined
