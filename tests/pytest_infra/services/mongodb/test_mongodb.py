"""A database for each test, for synchronous and asynchronous code."""

from __future__ import annotations

import shutil

import pytest

from fakes.suite import Suite

pytestmark = pytest.mark.real("mongodb")

TESTS = """
import pytest
from pymongo.errors import DuplicateKeyError

@pytest.mark.parametrize("number", range(2))
def test_equal_names_in_several_tests(mongodb_database, number):
    assert mongodb_database.list_collection_names() == ["people"]
    mongodb_database.orders.insert_one({"_id": 1, "number": number})
    assert mongodb_database.orders.find_one()["number"] == number

async def test_an_asynchronous_client(mongodb, mongodb_async_database):
    assert mongodb_async_database.name == mongodb.database
    await mongodb_async_database.orders.insert_one({"_id": 1})
    assert await mongodb_async_database.orders.count_documents({}) == 1

def test_examples_start_with_an_empty_database(mongodb, mongodb_database):
    for _ in range(2):
        with mongodb.example():
            assert mongodb_database.orders.count_documents({}) == 0
            mongodb_database.orders.insert_one({})

@pytest.mark.parametrize("number", range(2))
def test_the_database_has_the_indexes_of_the_stack_file(mongodb, mongodb_database, number):
    def insert_twice():
        people = mongodb_database.people
        people.insert_one({"name": "Ada", "tenant": 1})
        with pytest.raises(DuplicateKeyError):
            people.insert_one({"name": "Ada", "tenant": 1})
    assert mongodb_database.people.index_information()["seen_1"]["expireAfterSeconds"] == 60
    insert_twice()
    for _ in range(2):
        with mongodb.example():
            insert_twice()

def test_the_report_of_a_failed_test_states_that_the_server_is_an_emulation(mongodb_database):
    pytest.fail("to have a report")

def test_databases_of_finished_tests_are_dropped(mongodb_database):
    names = mongodb_database.client.list_database_names()
    assert [name for name in names if name.startswith("test-")] == [mongodb_database.name]
"""


def test_each_test_has_its_own_database(suite: Suite) -> None:
    suite.stack(
        'use = ["mongodb"]',
        "[services.mongodb.indexes]",
        'people = [{ keys = ["name", "-tenant"], unique = true }, { keys = ["seen"], expire_after = 60 }]',
    )
    suite.with_plugins("asyncio")
    suite.test(TESTS)

    result = suite.run("-q", "-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function")

    result.assert_outcomes(passed=7, failed=1)
    if not shutil.which("mongod"):
        result.stdout.fnmatch_lines(["*- Server of mongodb -*", "emulation without transactions, *"])
    result.stdout.fnmatch_lines(["infra: 1 service, ready in *; 0 processes, 0 ports, 0 sockets left"])
