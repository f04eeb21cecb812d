"""The lock: its text, its checks, and the difference between two entries."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.artefacts import locked
from infra_runtime.binaries import lockfile, recipes
from infra_runtime.binaries.lockfile import EMPTY, Locked, differences, read, write
from infra_runtime.errors import ConfigurationError, InstallError

TOOL = locked("tool", "pool/tool.tar.gz", b"content")


def with_name(entry: Locked, name: str, version: str = "1.0", digest: str = "a" * 64) -> Locked:
    artefact = replace(entry.artefacts[0], name=name, version=version, sha256=digest)
    return replace(entry, artefacts=(*entry.artefacts, artefact))


def test_a_written_lock_is_read_again(tmp_path: Path) -> None:
    other = replace(TOOL, platform="macos-arm64")

    write(tmp_path / "infra.lock", EMPTY.updated([TOOL, other]))
    lock = read(tmp_path / "infra.lock")

    assert lock.get("tool", TOOL.platform) == TOOL
    assert lock.platforms("tool") == sorted([TOOL.platform, "macos-arm64"])
    assert lock.get("tool", "plan9-mips") is None
    assert [path.name for path in tmp_path.iterdir()] == ["infra.lock"]


def test_each_artefact_has_one_line(tmp_path: Path) -> None:
    write(tmp_path / "infra.lock", EMPTY.updated([with_name(TOOL, "lib")]))

    lines = (tmp_path / "infra.lock").read_text().splitlines()

    assert [line.split('"')[7] for line in lines if '"registry"' in line] == ["tool", "lib"]
    assert all('"sha256"' in line and '"size"' in line for line in lines if '"registry"' in line)


def test_a_missing_lock_is_empty(tmp_path: Path) -> None:
    assert read(tmp_path / "infra.lock") == EMPTY


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sha256", "abc"),
        ("sha256", 5),
        ("size", -1),
        ("size", "5"),
        ("path", "../../etc/passwd"),
        ("path", "/etc/passwd"),
        ("path", ""),
        ("registry", "another"),
        ("sha256", "A" * 64),
        ("sha256", "a" * 128),
        ("name", None),
        ("name", "--index-url=https://files.test"),
        ("name", "tool\n--index-url=https://files.test"),
        ("version", "1.0 --pre"),
        ("unknown", "x"),
    ],
)
def test_an_invalid_lock_is_an_error_that_names_the_file(field: str, value: object, tmp_path: Path) -> None:
    path = tmp_path / "infra.lock"
    write(path, EMPTY.updated([TOOL]))
    data = json.loads(path.read_text())
    data["recipes"]["tool"][TOOL.platform]["artefacts"][0][field] = value
    path.write_text(json.dumps(data))

    with pytest.raises(ConfigurationError, match="is not a lock of executables") as caught:
        read(path)

    assert caught.value.where == str(path)
    assert "infra bin lock" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "[" * 100_000,
        "<<<<<<< HEAD",
        '{"format": 2, "recipes": {}}',
        '{"format": 1, "recipes": 5}',
    ],
)
def test_another_file_is_not_a_lock(text: str, tmp_path: Path) -> None:
    (tmp_path / "infra.lock").write_text(text)

    with pytest.raises(ConfigurationError, match=r"infra\.lock"):
        read(tmp_path / "infra.lock")


def test_a_lock_that_cannot_be_written_is_an_error_and_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "infra.lock").mkdir()

    with pytest.raises(InstallError, match=r"infra\.lock: cannot be written: Is a directory"):
        write(tmp_path / "infra.lock", EMPTY)
    with pytest.raises(InstallError, match=r"infra\.lock: cannot be written: No such file"):
        write(tmp_path / "missing" / "infra.lock", EMPTY)

    assert [path.name for path in tmp_path.iterdir()] == ["infra.lock"]


@pytest.mark.process
def test_processes_that_change_a_lock_at_the_same_time_keep_the_entries_of_each_other(
    tmp_path: Path,
) -> None:
    path = tmp_path / "infra.lock"
    code = (
        "import pickle, sys; from infra_runtime.binaries.lockfile import update\n"
        "update(*pickle.load(sys.stdin.buffer))"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) for _ in range(4)]
    for number, process in enumerate(processes):
        image = {f"image:{number}": f"sha256:{'0' * 64}"}
        assert process.stdin
        pickle.dump((path, [replace(TOOL, recipe=f"tool-{number}")], image), process.stdin)
        process.stdin.close()

    assert [process.wait(300) for process in processes] == [0] * 4
    assert len(read(path).entries) == len(read(path).images) == 4
    assert [file.name for file in tmp_path.iterdir()] == ["infra.lock"]


def test_a_recipe_with_the_name_of_a_path_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "infra.lock", EMPTY.updated([replace(TOOL, recipe="../tool")]))

    with pytest.raises(ConfigurationError, match="is not the name of a recipe"):
        read(tmp_path / "infra.lock")


def test_the_folder_depends_on_the_version_and_on_all_hashes() -> None:
    assert TOOL.key.startswith("1.0-")
    assert with_name(TOOL, "lib").key != TOOL.key
    assert replace(TOOL, version="5:7.0~rc1/x").key.startswith("5_7.0_rc1_x-")


def test_the_difference_names_changed_new_and_removed_artefacts() -> None:
    old = with_name(with_name(TOOL, "gone"), "rebuilt", digest="b" * 64)
    new = with_name(with_name(TOOL, "new", "2.0"), "rebuilt", digest="c" * 64)

    assert differences(old, new) == [
        "gone 1.0 → absent",
        "new absent → 2.0",
        "rebuilt 1.0 → 1.0 (another file)",
    ]
    assert differences(new, new) == []
    assert differences(None, TOOL) == ["tool absent → 1.0"]


def test_the_kit_locks_recipes_of_the_kit_without_addresses() -> None:
    lock = read(lockfile.KIT)

    assert {name for name, _ in lock.entries} <= recipes.kit().keys()
    assert lock.entries
    assert "://" not in lockfile.KIT.read_text()
    assert all(artefact.size for entry in lock.entries.values() for artefact in entry.artefacts)
    for (name, _), entry in lock.entries.items():
        assert recipes.kit()[name].refused_licence(entry.licence) == ""


def test_the_digests_of_images_are_kept_when_recipes_are_locked(tmp_path: Path) -> None:
    path, images = tmp_path / "infra.lock", {"ghcr.io/acme/search:1.2": f"sha256:{'a' * 64}"}
    write(path, replace(EMPTY, images=images))

    write(path, read(path).updated([TOOL]))

    assert read(path).images == images
    assert read(path).get(TOOL.recipe, TOOL.platform) == TOOL


def test_an_invalid_digest_of_an_image_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "infra.lock", replace(EMPTY, images={"ghcr.io/acme/search:1.2": "sha256:1"}))

    with pytest.raises(ConfigurationError, match="'sha256:1' is not a digest"):
        read(tmp_path / "infra.lock")
