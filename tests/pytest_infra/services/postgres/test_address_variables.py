"""Variables with a part of a database's address get the values of the template's database."""

from __future__ import annotations

from fakes.samples import every
from pytest_infra.services.postgres.address_variables import USUAL, address_variables

DATABASE = {
    "url": "postgresql://me:word@127.0.0.1:5433/template",
    "host": "127.0.0.1",
    "port": "5433",
    "user": "me",
    "password": "word",
    "database": "template",
}


@every(
    [
        ("DB_HOST", "127.0.0.1"),
        ("DBNAME", "template"),
        ("DB__PORT", "5433"),
        ("SHOP_DB_NAME", "template"),
        ("SHOP_DATABASE_USERNAME", "me"),
        ("shop_postgres_password", "word"),
        ("POSTGRES_DB", "template"),
        ("PG_DATABASE", "template"),
        ("POSTGRESQL_SERVER", "127.0.0.1"),
    ]
)
def test_a_variable_with_a_part_of_an_address_gets_its_value(name: str, value: str) -> None:
    assert address_variables(DATABASE, [name])[name] == value


@every(["REDIS_HOST", "REDIS_DB", "HOST", "USER", "DB_POOL_SIZE", "DB", "DBX_HOST", "HUB_NAME"])
def test_other_variables_are_not_set(name: str) -> None:
    assert name not in address_variables(DATABASE, [name])


def test_usual_variables_are_set_even_if_the_application_has_defaults_for_them() -> None:
    assert address_variables(DATABASE, []).keys() == set(USUAL)


def test_a_part_that_the_service_does_not_export_is_not_set() -> None:
    assert address_variables({"host": "127.0.0.1"}, []) == {"DB_HOST": "127.0.0.1"}
