"""The topology of tests is a table, a `Topology` or a TOML file; equal topologies are equal texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra_runtime.amqp.topology import Topology
from infra_runtime.errors import ConfigurationError
from pytest_infra.services.rabbitmq.isolation import read

TABLE = {"exchanges": {"orders": {"type": "direct"}}, "queues": {"paid": {"bind": {"orders": "paid"}}}}


def test_a_table_a_topology_and_a_file_are_equal(tmp_path: Path) -> None:
    (tmp_path / "queues.toml").write_text(
        '[exchanges]\norders = { type = "direct" }\n[queues]\npaid = { bind = { orders = "paid" } }\n'
    )

    texts = {read(value, tmp_path, "") for value in (TABLE, Topology.model_validate(TABLE), "queues.toml")}

    (text,) = texts
    assert Topology.model_validate_json(text) == Topology.model_validate(TABLE)


def test_without_a_value_the_topology_of_the_stack_file_is_used(tmp_path: Path) -> None:
    assert (read("", tmp_path, ""), read(None, tmp_path, "")) == ("", "")


def test_an_empty_topology_is_not_that_of_the_stack_file(tmp_path: Path) -> None:
    assert [read(value, tmp_path, "") for value in (Topology(), {})] == ["{}", "{}"]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"queues": {"a": {"prefetch": 0}}}, "queues.a.prefetch: Input should be greater than or equal to 1"),
        ("missing.toml", "missing.toml: .*No such file"),
        ("wrong.toml", "wrong.toml: "),
    ],
)
def test_another_value_is_an_error_with_the_name_of_the_fixture(
    tmp_path: Path, value: object, problem: str
) -> None:
    (tmp_path / "wrong.toml").write_text("queues")

    with pytest.raises(ConfigurationError, match=problem) as caught:
        read(value, tmp_path, "infra_rabbitmq_topology")

    assert caught.value.where == "infra_rabbitmq_topology"
