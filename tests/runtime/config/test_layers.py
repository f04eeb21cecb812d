from __future__ import annotations

import pytest

from infra_runtime.config.layers import MASK, Layer, leaves, merge, shown


def layer(name: str, **values: object) -> Layer:
    return Layer(values=values, where=lambda key: f"{name}:{'.'.join(key)}")


def test_the_first_layer_wins() -> None:
    merged = merge([layer("strong", a=1), layer("weak", a=2, b=3)])

    assert merged.values == {"a": 1, "b": 3}
    assert merged.place(("a",)) == "strong:a"
    assert merged.place(("b",)) == "weak:b"


def test_tables_are_laid_over_each_other_key_by_key() -> None:
    merged = merge([layer("strong", t={"a": 1}), layer("weak", t={"a": 2, "b": {"c": 3}})])

    assert merged.values == {"t": {"a": 1, "b": {"c": 3}}}
    assert merged.place(("t", "b", "c")) == "weak:t.b.c"


def test_a_list_takes_the_place_of_a_list() -> None:
    assert merge([layer("strong", a=[1]), layer("weak", a=[2, 3])]).values == {"a": [1]}


def test_a_value_takes_the_place_of_a_table_and_the_other_way_round() -> None:
    assert merge([layer("strong", a=1), layer("weak", a={"b": 2})]).values == {"a": 1}
    assert merge([layer("strong", a={"b": 2}), layer("weak", a=1)]).values == {"a": {"b": 2}}


def test_a_table_that_was_replaced_is_no_places_origin() -> None:
    merged = merge([layer("strong", a=1), layer("weak", a={"b": 2})])

    assert list(merged.places) == [("a",)]


@pytest.mark.parametrize("name", ["ready", "route"])
def test_a_probe_and_a_route_are_replaced_as_a_whole(name: str) -> None:
    """Half of one and half of another would be a third that nobody wrote."""
    merged = merge([layer("strong", **{name: {"tcp": True}}), layer("weak", **{name: {"http": "/"}})])

    assert merged.values == {name: {"tcp": True}}


def test_laying_over_leaves_the_layers_as_they_were() -> None:
    values = {"t": {"a": 2}}

    merge([layer("strong", t={"b": 1}), Layer(values=values, where=lambda _: "")])

    assert values == {"t": {"a": 2}}


def test_the_place_of_what_nobody_gave_is_that_of_the_table_around_it() -> None:
    merged = merge([layer("file", services={"api": {"command": ["x"]}})])

    assert merged.place(("services", "api", "ready")) == "file:services.api"


def test_what_nobody_gave_has_no_exact_place() -> None:
    merged = merge([layer("file", services={"api": {"command": ["x"]}})])

    assert merged.exact(("services", "api", "ready")) == ""
    assert merged.exact(("services", "api", "command")) == "file:services.api.command"


def test_a_part_of_a_value_is_where_the_value_is() -> None:
    merged = merge([layer("file", api={"ready": {"http": "/"}})])

    assert merged.exact(("api", "ready", "http")) == "file:api.ready"


def test_leaves_are_the_values_that_are_no_tables() -> None:
    assert list(leaves({"a": {"b": 1, "c": {}}, "d": [2]})) == [
        (("a", "b"), 1),
        (("a", "c"), {}),
        (("d",), [2]),
    ]


@pytest.mark.parametrize(
    "name", ["PASSWORD", "db_passwd", "API_KEY", "SECRET_SAUCE", "auth_token", "credentials"]
)
def test_what_is_named_like_a_secret_is_masked(name: str) -> None:
    assert shown(("env", name), "hunter2") == MASK


@pytest.mark.parametrize("name", ["KEYBOARD", "monkey", "passage"])
def test_what_only_sounds_like_a_secret_is_shown(name: str) -> None:
    assert shown(("env", name), "x") == '"x"'


def test_a_password_inside_a_url_is_masked() -> None:
    assert shown(("env", "URL"), "postgres://me:hunter2@db/x") == f'"postgres://me:{MASK}@db/x"'


def test_a_reference_is_no_secret() -> None:
    assert shown(("env", "PASSWORD"), "${postgres.password}") == '"${postgres.password}"'
