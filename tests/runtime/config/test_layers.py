from __future__ import annotations

import pytest

from infra_runtime.config.layers import MASK, Layer, leaves, merge, value_text


def layer(name: str, **values: object) -> Layer:
    return Layer(values=values, where=lambda key: f"{name}:{'.'.join(key)}")


def test_the_first_layer_with_a_key_sets_its_value() -> None:
    merged = merge([layer("strong", a=1), layer("weak", a=2, b=3)])

    assert merged.values == {"a": 1, "b": 3}
    assert merged.location(("a",)) == "strong:a"
    assert merged.location(("b",)) == "weak:b"


def test_tables_are_merged_key_by_key() -> None:
    merged = merge([layer("strong", t={"a": 1}), layer("weak", t={"a": 2, "b": {"c": 3}})])

    assert merged.values == {"t": {"a": 1, "b": {"c": 3}}}
    assert merged.location(("t", "b", "c")) == "weak:t.b.c"


def test_a_list_replaces_a_list() -> None:
    assert merge([layer("strong", a=[1]), layer("weak", a=[2, 3])]).values == {"a": [1]}


def test_a_value_replaces_a_table_and_a_table_replaces_a_value() -> None:
    assert merge([layer("strong", a=1), layer("weak", a={"b": 2})]).values == {"a": 1}
    assert merge([layer("strong", a={"b": 2}), layer("weak", a=1)]).values == {"a": {"b": 2}}


def test_a_replaced_table_has_no_location() -> None:
    merged = merge([layer("strong", a=1), layer("weak", a={"b": 2})])

    assert list(merged.locations) == [("a",)]


@pytest.mark.parametrize("name", ["ready", "route"])
def test_a_probe_and_a_route_are_replaced_as_a_whole(name: str) -> None:
    """The keys of two probes together may be invalid."""
    merged = merge([layer("strong", **{name: {"tcp": True}}), layer("weak", **{name: {"http": "/"}})])

    assert merged.values == {name: {"tcp": True}}


def test_merging_does_not_change_the_layers() -> None:
    values = {"t": {"a": 2}}

    merge([layer("strong", t={"b": 1}), Layer(values=values, where=lambda _: "")])

    assert values == {"t": {"a": 2}}


def test_the_location_of_a_missing_key_is_that_of_its_table() -> None:
    merged = merge([layer("file", services={"api": {"command": ["x"]}})])

    assert merged.location(("services", "api", "ready")) == "file:services.api"


def test_a_missing_key_has_no_exact_location() -> None:
    merged = merge([layer("file", services={"api": {"command": ["x"]}})])

    assert merged.exact_location(("services", "api", "ready")) == ""
    assert merged.exact_location(("services", "api", "command")) == "file:services.api.command"


def test_a_key_inside_a_value_has_the_location_of_the_value() -> None:
    merged = merge([layer("file", api={"ready": {"http": "/"}})])

    assert merged.exact_location(("api", "ready", "http")) == "file:api.ready"


def test_leaves_are_the_values_that_are_not_tables() -> None:
    assert list(leaves({"a": {"b": 1, "c": {}}, "d": [2]})) == [
        (("a", "b"), 1),
        (("a", "c"), {}),
        (("d",), [2]),
    ]


@pytest.mark.parametrize(
    "name", ["PASSWORD", "db_passwd", "API_KEY", "SECRET_SAUCE", "auth_token", "credentials"]
)
def test_a_value_with_the_name_of_a_secret_is_masked(name: str) -> None:
    assert value_text(("env", name), "hunter2") == MASK


@pytest.mark.parametrize("name", ["KEYBOARD", "monkey", "passage"])
def test_a_name_that_only_resembles_a_secret_is_shown(name: str) -> None:
    assert value_text(("env", name), "x") == '"x"'


def test_a_password_inside_a_url_is_masked() -> None:
    assert value_text(("env", "URL"), "postgres://me:hunter2@db/x") == f'"postgres://me:{MASK}@db/x"'


def test_a_reference_is_not_masked() -> None:
    assert value_text(("env", "PASSWORD"), "${postgres.password}") == '"${postgres.password}"'
