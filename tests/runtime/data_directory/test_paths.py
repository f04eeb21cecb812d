"""The paths of a stack, derived from its data directory, with short paths for sockets."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from infra_runtime.cache import cache_folder
from infra_runtime.data_directory.paths import Paths, user_cache

LONGEST_SOCKET_PATH = 103


def test_different_paths_of_one_directory_are_the_same_stack(tmp_path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")

    assert Paths(str(tmp_path / "link")).control == Paths(str(tmp_path / "x" / ".." / "data")).control


def test_two_directories_are_different_stacks(tmp_path) -> None:
    assert Paths(str(tmp_path / "a")).run != Paths(str(tmp_path / "b")).run


@pytest.mark.parametrize("folder", ["x" * 200, "with spaces", "größe/数据", os.fsdecode(b"latin-\xe9")])
def test_a_socket_has_a_short_path_with_any_data_directory(folder) -> None:
    paths = Paths(f"/projects/{folder}", environ={})

    sockets = [paths.control, f"{paths.service_run('a-service-with-quite-a-long-name')}/.s.PGSQL.65535"]
    assert all(len(os.fsencode(path)) <= LONGEST_SOCKET_PATH for path in sockets)


def test_services_with_long_names_have_different_folders() -> None:
    paths = Paths("/data", environ={})

    assert paths.service_run("a" * 17) != paths.service_run("a" * 18)


def test_environment_variables_set_the_folders_of_sockets_and_seeds() -> None:
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
        ({"HOME": "home/me"}, f"/tmp/infra-{os.geteuid()}/cache"),
        ({"HOME": "."}, f"/tmp/infra-{os.geteuid()}/cache"),
        ({"HOME": ""}, f"/tmp/infra-{os.geteuid()}/cache"),
    ],
)
def test_the_cache_is_in_the_users_cache_or_next_to_the_sockets_without_home(environ, cache) -> None:
    assert Paths("/data", environ=environ).cache == cache


def test_the_cache_on_macos_is_below_library_caches(monkeypatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")

    assert user_cache({"HOME": "/Users/me"}) == "/Users/me/Library/Caches/pytest-infra"


def test_all_caches_are_in_one_folder(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("INFRA_CACHE", str(tmp_path))

    assert cache_folder() == Path(Paths("/data").cache) == tmp_path


def test_the_folder_of_the_seeds_is_in_the_cache_and_exists_for_this_user_only(tmp_path) -> None:
    paths = Paths(str(tmp_path / "data"), environ={"INFRA_CACHE": str(tmp_path / "cache")})

    assert paths.seeds() == f"{tmp_path}/cache/seeds"
    assert Path(paths.seeds()).stat().st_mode & 0o777 == 0o700


def test_without_a_usable_cache_the_seeds_are_in_the_stacks_own_folder(tmp_path) -> None:
    (tmp_path / "file").touch()
    environ = {"INFRA_CACHE": str(tmp_path / "file"), "INFRA_RUNTIME_DIR": str(tmp_path / "run")}
    paths = Paths(str(tmp_path / "data"), environ=environ)

    assert paths.seeds() == f"{paths.home}/cache/seeds"
    assert Path(paths.seeds()).is_dir()
