"""Where a stack keeps its things: told from its data directory, and fit for a socket's short path."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from infra_runtime.cache import cache_folder
from infra_runtime.data_directory.paths import Paths, private_folder, user_cache

LONGEST_SOCKET_PATH = 103


def test_the_same_directory_by_another_way_is_the_same_stack(tmp_path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")

    assert Paths(str(tmp_path / "link")).control == Paths(str(tmp_path / "x" / ".." / "data")).control


def test_two_directories_are_two_stacks(tmp_path) -> None:
    assert Paths(str(tmp_path / "a")).run != Paths(str(tmp_path / "b")).run


@pytest.mark.parametrize("folder", ["x" * 200, "with spaces", "größe/数据", os.fsdecode(b"latin-\xe9")])
def test_a_socket_has_a_short_path_wherever_the_data_is(folder) -> None:
    paths = Paths(f"/projects/{folder}", environ={})

    sockets = [paths.control, f"{paths.service_run('a-service-with-quite-a-long-name')}/.s.PGSQL.65535"]
    assert all(len(os.fsencode(path)) <= LONGEST_SOCKET_PATH for path in sockets)


def test_two_services_with_long_names_have_two_folders() -> None:
    paths = Paths("/data", environ={})

    assert paths.service_run("a" * 17) != paths.service_run("a" * 18)


def test_the_environment_may_say_where_sockets_and_seeds_are() -> None:
    paths = Paths("/data", environ={"INFRA_RUNTIME_DIR": "/run/mine", "INFRA_CACHE": "/cache"})

    assert paths.control.startswith("/run/mine/")
    assert paths.cache == "/cache"


@pytest.mark.parametrize(
    ("environ", "cache"),
    [
        ({"HOME": "/home/me"}, "/home/me/.cache/pytest-infra"),
        ({"HOME": "/home/me", "XDG_CACHE_HOME": "/fast"}, "/fast/pytest-infra"),
        ({"HOME": "/home/me", "XDG_CACHE_HOME": "relative"}, "/home/me/.cache/pytest-infra"),
        ({}, f"/tmp/infra-{os.geteuid()}/cache"),
        ({"HOME": ""}, f"/tmp/infra-{os.geteuid()}/cache"),
    ],
)
def test_the_cache_is_the_users_or_stands_with_the_sockets_where_there_is_no_home(environ, cache) -> None:
    assert Paths("/data", environ=environ).cache == cache


def test_on_a_mac_the_cache_is_where_its_owner_looks_for_it(monkeypatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")

    assert user_cache({"HOME": "/Users/me"}) == "/Users/me/Library/Caches/pytest-infra"


def test_all_that_is_cached_lies_in_one_folder(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("INFRA_CACHE", str(tmp_path))

    assert cache_folder() == Path(Paths("/data").cache) == tmp_path


def test_a_private_folder_is_made_for_its_owner_alone(tmp_path) -> None:
    private_folder(str(tmp_path / "deep" / "run"))

    assert (tmp_path / "deep" / "run").stat().st_mode & 0o777 == 0o700


def test_a_folder_of_ours_that_others_may_enter_is_closed(tmp_path) -> None:
    (tmp_path / "run").mkdir(mode=0o755)

    private_folder(str(tmp_path / "run"))

    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700


def test_a_folder_of_another_user_is_refused(tmp_path) -> None:
    """`/tmp` is everybody's: somebody may have been there first."""
    theirs = tmp_path / "run"
    theirs.mkdir()
    if os.geteuid() == 0:
        os.chown(theirs, 65534, 65534)
    else:
        theirs = type(theirs)("/")

    with pytest.raises(PermissionError, match="belongs to another user"):
        private_folder(str(theirs))


def test_neither_a_link_nor_a_file_is_taken_for_a_folder(tmp_path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "file").touch()

    for name in ("link", "file"):
        with pytest.raises(PermissionError, match="or is not a folder"):
            private_folder(str(tmp_path / name))
