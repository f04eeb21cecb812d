"""`infra runtime snapshot`: the output of save, restore, list and remove."""

from __future__ import annotations

from fakes.command_line import CommandLine


def test_every_command_prints_the_same_json_for_a_snapshot(shop: CommandLine) -> None:
    assert shop("runtime", "up", "--detach").code == 0

    saved = shop("runtime", "snapshot", "save", "before", "--json").json

    assert saved["name"] == "before"
    assert sorted(saved["services"]) == ["api", "db", "worker"]
    assert shop("runtime", "snapshot", "list", "--json").json == {"snapshots": [saved]}
    assert shop("runtime", "snapshot", "restore", "before", "--json").json == saved
    assert shop("runtime", "snapshot", "remove", "before", "--json").json == saved
    assert shop("runtime", "snapshot", "list", "--json").json == {"snapshots": []}


def test_save_and_restore_print_the_services(shop: CommandLine) -> None:
    assert shop("runtime", "up", "--detach").code == 0

    assert shop("runtime", "snapshot", "save").out == "default: db, api, worker\n"
    assert shop("runtime", "snapshot", "restore").out == "default: restored db, api, worker\n"
    assert shop("runtime", "snapshot", "remove", "default").out == ""


def test_the_exit_code_for_a_missing_snapshot_is_12(shop: CommandLine) -> None:
    answer = shop("runtime", "snapshot", "remove", "before", "--json")

    assert (answer.code, answer.out) == (12, "")
    assert "snapshot before: it does not exist" in answer.err
