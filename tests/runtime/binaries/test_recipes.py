"""The recipes of the kit and of the stack file, and the licences that are never downloaded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fakes.samples import every
from infra_runtime.binaries import recipes
from infra_runtime.binaries.recipe import Go, Recipe, Wheel
from infra_runtime.errors import ConfigurationError

OWN = Recipe(
    name="tool",
    programs={"tool": "", "nats-server": ""},
    sources=(Wheel(distribution="tool-bin"),),
    licence="AGPL-3.0-only",
    is_users=True,
)


def test_a_recipe_is_found_by_its_name_and_by_its_programs() -> None:
    assert recipes.find("redis").name == "redis"
    assert recipes.find("redis-cli").name == "redis"
    assert recipes.find("tool", [OWN]) == OWN


def test_a_recipe_of_the_stack_file_takes_precedence() -> None:
    mine = replace(OWN, name="redis")

    assert recipes.find("redis", [mine]) == mine
    assert recipes.providing("nats-server", recipes.all_recipes([OWN]).values()) == OWN


class Point:
    """An entry point of another distribution."""

    name = value = "acme.recipes:TOOL"

    def __init__(self, loaded: object) -> None:
        self._loaded = loaded

    def load(self) -> object:
        return self._loaded


def test_another_distribution_adds_a_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """The licence of its recipes is checked, also if a recipe has the mark of recipes of the user."""
    added = replace(OWN, name="acme", is_users=False, licence="AGPL-3.0-only")
    point = Point(replace(added, is_users=True))
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [point])

    assert recipes.find("acme") == added
    assert recipes.find("redis").name == "redis"


def test_an_entry_point_that_is_not_a_recipe_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [Point("text")])

    with pytest.raises(ConfigurationError, match="should be a Recipe, but is a str"):
        recipes.find("acme")


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "../acme"},
        {"programs": {"../x": ""}},
        {"programs": {"x": "../../x"}},
        {"programs": {"x": "../../x"}, "sources": (Go(module="acme.test/x"), Wheel(distribution="x"))},
    ],
)
def test_an_entry_point_with_a_path_that_leaves_the_store_is_an_error(
    changed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [Point(replace(OWN, **changed))])

    with pytest.raises(ConfigurationError, match=r"cannot be the name|must be a glob pattern"):
        recipes.find("acme")


def test_an_unknown_recipe_is_an_error_with_a_similar_name() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'memcached'"):
        recipes.find("memcache")


def test_every_recipe_of_the_kit_has_programs_sources_and_an_accepted_licence() -> None:
    for recipe in recipes.kit().values():
        assert recipe.programs
        assert recipe.sources
        assert recipe.summary
        assert not recipe.refused_licence()


def test_no_program_with_the_same_version_and_features_is_in_two_recipes_of_the_kit() -> None:
    programs = [
        (program, recipe.major, recipe.features)
        for recipe in recipes.kit().values()
        for program in recipe.programs
    ]

    assert len(programs) == len(set(programs))


@every(
    [
        (0, [], "postgres"),
        (18, [], "postgres"),
        (15, [], "postgres-15"),
        (15, ["postgis"], "postgres-15-postgis"),
        (15, ["vector"], None),
        (18, ["postgis"], None),
        (16, [], "postgres-16"),
        (17, [], "postgres-17"),
        (17, ["vector", "postgis"], "postgres-17-postgis"),
        (14, [], None),
    ]
)
def test_a_recipe_is_found_by_the_version_and_features_of_a_program(
    major: int, features: list[str], expected: str | None
) -> None:
    provider = recipes.providing("postgres", recipes.kit().values(), major=major, features=features)

    assert (provider and provider.name) == expected


def test_a_users_recipe_provides_the_version_that_it_names() -> None:
    mine = replace(OWN, programs={"postgres": ""}, major=17, features=("postgis",))
    known = recipes.all_recipes([mine]).values()

    assert recipes.providing("postgres", known, major=17) == mine
    assert recipes.providing("postgres", known, major=15).name == "postgres-15"


@pytest.mark.parametrize(
    ("licence", "refused"),
    [
        ("AGPL-3.0-only", "AGPL-3.0-only"),
        ("SSPL-1.0", "SSPL-1.0"),
        ("BUSL-1.1", "BUSL-1.1"),
        ("MIT AND (Elastic-2.0 OR SSPL-1.0)", "Elastic-2.0"),
        ("LicenseRef-RSALv2", "LicenseRef-RSALv2"),
        ("agpl-3.0-or-later", "agpl-3.0-or-later"),
        ("GNU AGPLv3", "AGPLv3"),
        ("GNU Affero General Public License v3", "GNU Affero"),
        ("Business Source License 1.1", "Business Source"),
        ("Apache-2.0 WITH Commons-Clause", "Commons-Clause"),
        ("Server-Side Public License", "Server-Side Public"),
        ("BSL 1.1", "BSL 1.1"),
        ("FSL-1.1-MIT", "FSL-1.1-MIT"),
        ("ELv2", "ELv2"),
        ("Confluent Community License", "Confluent Community"),
        ("LicenseRef-Timescale", "LicenseRef-Timescale"),
        ("Sustainable Use License", "Sustainable Use"),
        ("GPL-2.0-only", ""),
        ("NFSL-1.0", ""),
        ("BSL-1.0", ""),
        ("Apache-2.0", ""),
    ],
)
def test_some_licences_are_refused_except_in_recipes_of_users(licence: str, refused: str) -> None:
    kit = replace(OWN, is_users=False, licence="MIT")

    assert kit.refused_licence(licence) == refused
    assert replace(kit, licence=licence).refused_licence() == refused
    assert replace(kit, is_users=True).refused_licence(licence) == ""


@pytest.mark.parametrize(
    ("name", "needed"),
    [("kafka", ["jdk", "kafka"]), ("alertmanager", ["bubblewrap", "alertmanager"]), ("redis", ["redis"])],
)
def test_a_recipe_is_installed_with_those_that_it_needs(name: str, needed: list[str]) -> None:
    assert [recipe.name for recipe in recipes.with_needed([recipes.find(name)])] == needed


def test_a_needed_recipe_is_installed_first_and_once() -> None:
    selected_recipes = [recipes.find(name) for name in ("alertmanager", "bubblewrap", "prometheus")]

    names = [recipe.name for recipe in recipes.with_needed(selected_recipes)]

    assert names == ["bubblewrap", "alertmanager", "prometheus"]
