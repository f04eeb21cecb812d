"""`infra runtime snapshot`: save, restore, list and remove. The tests remove their snapshots."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.command_line import CommandLine

pytestmark = pytest.mark.process


def test_every_command_prints_the_same_json_for_a_snapshot(open_shop: CommandLine) -> None:
    saved = open_shop("runtime", "snapshot", "save", "before", "--json").json

    assert saved["name"] == "before"
    assert sorted(saved["services"]) == ["api", "db", "worker"]
    assert open_shop("runtime", "snapshot", "list", "--json").json == {"snapshots": [saved], "damaged": []}
    assert open_shop("runtime", "snapshot", "restore", "before", "--json").json == saved
    assert open_shop("runtime", "snapshot", "remove", "before", "--json").json == saved
    assert open_shop("runtime", "snapshot", "list", "--json").json == {"snapshots": [], "damaged": []}


def test_save_and_restore_print_the_services(open_shop: CommandLine) -> None:
    assert open_shop("runtime", "snapshot", "save").out == "default: db, api, worker\n"
    assert open_shop("runtime", "snapshot", "restore").out == "default: restored db, api, worker\n"
    assert open_shop("runtime", "snapshot", "remove", "default").out == ""


def test_the_exit_code_for_a_missing_snapshot_is_12(shop: CommandLine) -> None:
    answer = shop("runtime", "snapshot", "remove", "before", "--json")

    assert (answer.code, answer.out) == (12, "")
    assert "snapshot before: the snapshot does not exist" in answer.err


def test_the_list_names_damaged_snapshots_after_the_others_and_they_can_be_removed(
    open_shop: CommandLine, tmp_path: Path
) -> None:
    assert open_shop("runtime", "snapshot", "save", "before").code == 0
    folder = Path(open_shop("runtime", "status", "--json").json["data"]) / "snapshots"
    (folder / "edited").mkdir()
    (folder / "edited" / "snapshot.json").write_text("{}")
    (folder / "linked").symlink_to(tmp_path)

    answer = open_shop("runtime", "snapshot", "list")
    damaged = open_shop("runtime", "snapshot", "list", "--json").json["damaged"]

    assert answer.code == 0
    assert answer.out.splitlines()[1].startswith("before ")
    reason = "the snapshot is damaged: snapshot.json: format: is missing"
    assert f"infra: snapshot edited cannot be restored: {reason}\n" in answer.err
    assert "infra: snapshot linked cannot be restored: " in answer.err
    assert [snapshot["name"] for snapshot in damaged] == ["edited", "linked"]
    refused = open_shop("runtime", "snapshot", "restore", "edited")
    assert (refused.code, refused.err.count("infra runtime snapshot remove edited")) == (12, 1)
    assert open_shop("runtime", "snapshot", "remove", "edited", "--json").json == damaged[0]
    assert open_shop("runtime", "snapshot", "remove", "linked").code == 0
    assert [path.name for path in folder.iterdir()] == ["before"]
    assert tmp_path.is_dir()
    assert open_shop("runtime", "snapshot", "remove", "before").code == 0
