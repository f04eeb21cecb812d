"""`infra runtime snapshot`: what it says of what is kept, put back and removed."""

from __future__ import annotations

from fakes.command_line import CommandLine


def test_every_command_of_a_snapshot_tells_the_same_of_it_as_json(shop: CommandLine) -> None:
    assert shop("runtime", "up", "--detach").code == 0

    saved = shop("runtime", "snapshot", "save", "before", "--json").json

    assert saved["name"] == "before"
    assert sorted(saved["services"]) == ["api", "db", "worker"]
    assert shop("runtime", "snapshot", "list", "--json").json == {"snapshots": [saved]}
    assert shop("runtime", "snapshot", "restore", "before", "--json").json == saved
    assert shop("runtime", "snapshot", "remove", "before", "--json").json == saved
    assert shop("runtime", "snapshot", "list", "--json").json == {"snapshots": []}


def test_a_person_is_told_which_services_are_kept_and_put_back(shop: CommandLine) -> None:
    assert shop("runtime", "up", "--detach").code == 0

    assert shop("runtime", "snapshot", "save").out == "default: db, api, worker\n"
    assert shop("runtime", "snapshot", "restore").out == "default: db, api, worker are as they were\n"
    assert shop("runtime", "snapshot", "remove", "default").out == ""


def test_one_that_is_not_there_ends_with_a_code_of_its_own(shop: CommandLine) -> None:
    said = shop("runtime", "snapshot", "remove", "before", "--json")

    assert (said.code, said.out) == (12, "")
    assert "snapshot before: it does not exist" in said.err
