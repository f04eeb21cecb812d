"""The stamps of seeds, and their removal."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from infra_runtime.data_directory import seed_cache
from infra_runtime.host import file_lock


def make(cache: Path, name: str, size: int = 100, used: float = 0.0) -> str:
    """Make a seed with its stamp."""
    tree = cache / name
    (tree / "base").mkdir(parents=True)
    (tree / "base" / "1").write_bytes(bytes(size))
    (tree / "link").symlink_to("base/1")
    seed_cache.stamp(str(tree))
    os.utime(f"{tree}.json", (used, used))
    return str(tree)


def names(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir())


def test_a_complete_seed_is_intact(tmp_path) -> None:
    tree = make(tmp_path, "db-1")

    assert seed_cache.damage(tree) == seed_cache.damage(tree, read_all=True) == ""


def test_a_changed_content_with_the_same_size_and_time_is_found_by_reading(tmp_path) -> None:
    tree = make(tmp_path, "db-1")
    file = Path(tree, "base", "1")
    before = file.stat()
    file.write_bytes(b"x" * 100)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert seed_cache.damage(tree) == ""
    assert seed_cache.damage(tree, read_all=True) == "the content of a file has changed"


def test_the_stamp_of_a_seed_is_private(tmp_path) -> None:
    assert Path(f"{make(tmp_path, 'db-1')}.json").stat().st_mode & 0o777 == 0o600


def test_seeds_are_listed_by_their_last_use_with_their_state(tmp_path) -> None:
    make(tmp_path, "new", used=2000.0)
    Path(make(tmp_path, "old", used=1000.0), "base", "1").unlink()
    (tmp_path / "17.new").mkdir()
    os.utime(tmp_path / "17.new", (500.0, 500.0))
    seed_cache.mark_used(str(tmp_path / "new"))

    seeds = seed_cache.seeds(str(tmp_path))

    assert [(seed.name, seed.state) for seed in seeds] == [
        ("17.new", "incomplete"),
        ("old", "damaged"),
        ("new", "ok"),
    ]
    assert seeds[-1].bytes == 100 + len("base/1")
    assert seeds[-1].used > 2000.0
    assert seed_cache.seeds(str(tmp_path / "missing")) == []


def evict(cache: Path, most_bytes: int) -> list[str]:
    """Remove the seeds above the limit, and return their names."""
    paths = seed_cache.victims(str(cache), most_bytes)
    return [Path(path).name for path in paths if seed_cache.remove(path)]


def test_the_least_recently_used_seeds_are_evicted_beyond_a_size(tmp_path) -> None:
    for number in range(4):
        make(tmp_path, f"db-{number}", used=1000.0 + number)

    assert evict(tmp_path, 2 * 106) == ["db-0", "db-1"]
    assert names(tmp_path) == ["db-2", "db-2.json", "db-3", "db-3.json"]
    assert evict(tmp_path, 2 * 106) == []


def test_a_seed_in_use_is_not_removed(tmp_path) -> None:
    tree = make(tmp_path, "db-1")
    descriptor = file_lock.acquire(f"{tree}.lock", shared=True)

    assert evict(tmp_path, 0) == []

    os.close(descriptor)
    assert evict(tmp_path, 0) == ["db-1"]
    assert names(tmp_path) == []


@pytest.mark.parametrize("locked", [True, False])
def test_an_interrupted_build_is_set_aside_unless_the_build_runs(tmp_path, locked) -> None:
    building = tmp_path / "17.new"
    (building / "db-1").mkdir(parents=True)
    descriptor = file_lock.acquire(str(building / seed_cache.BUILDING_LOCK), shared=True)
    if not locked:
        os.close(descriptor)

    folders = seed_cache.interrupted(str(tmp_path))

    assert building.exists() == locked
    assert [Path(folder, "db-1").is_dir() for folder in folders] == ([] if locked else [True])
    assert seed_cache.interrupted(str(tmp_path)) == folders
    if locked:
        os.close(descriptor)


def test_a_seed_of_an_earlier_version_is_not_evicted(tmp_path) -> None:
    """It has no stamp, and a stack of that version may copy it."""
    (tmp_path / "db-0").mkdir()

    assert evict(tmp_path, 0) == []
    assert seed_cache.remove(str(tmp_path / "db-0"))


def test_two_holders_of_a_shared_lock_exclude_a_builder(tmp_path) -> None:
    path = str(tmp_path / "lock")
    descriptors = [file_lock.acquire(path, shared=True) for _ in range(2)]

    assert file_lock.acquire(path) is None

    for descriptor in descriptors:
        os.close(descriptor)
    os.close(file_lock.acquire(path))
