"""Owner and mode of files, folders and sockets: those of other users are never used."""

from __future__ import annotations

import os
import pickle
import socket
from pathlib import Path

import pytest

from infra_runtime.host import ownership
from infra_runtime.host.ownership import (
    OwnershipError,
    check_file,
    check_folder,
    check_parents,
    check_socket,
    make_private_folder,
    open_file,
    peer_uid,
    user_name,
)

#: a uid without an account
OTHER = 64321
root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can create files of other users")


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


# --- files -----------------------------------------------------------------------------------------


def test_a_new_file_has_mode_0600(tmp_path) -> None:
    os.close(open_file(str(tmp_path / "file"), os.O_RDWR | os.O_CREAT))

    assert mode(tmp_path / "file") == 0o600


def test_a_symbolic_link_is_not_followed(tmp_path) -> None:
    (tmp_path / "target").touch()
    (tmp_path / "file").symlink_to(tmp_path / "target")

    with pytest.raises(OwnershipError, match=r"is a symbolic link, .*remove the link") as caught:
        open_file(str(tmp_path / "file"), os.O_RDWR)

    assert caught.value.filename == str(tmp_path / "file")
    with pytest.raises(OwnershipError, match="is a symbolic link"):
        check_file(str(tmp_path / "file"))


def test_a_link_to_a_missing_file_creates_nothing(tmp_path) -> None:
    (tmp_path / "file").symlink_to(tmp_path / "target")

    with pytest.raises(OwnershipError, match="is a symbolic link"):
        open_file(str(tmp_path / "file"), os.O_RDWR | os.O_CREAT)

    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_WRONLY, os.O_RDWR])
def test_a_pipe_in_place_of_a_file_is_an_error_and_does_not_block(tmp_path, flags) -> None:
    os.mkfifo(tmp_path / "file")

    with pytest.raises(OwnershipError, match="is not a regular file"):
        open_file(str(tmp_path / "file"), flags)


@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_RDWR])
def test_a_folder_in_place_of_a_file_is_an_error(tmp_path, flags) -> None:
    (tmp_path / "file").mkdir()

    with pytest.raises(OwnershipError, match="is not a regular file"):
        open_file(str(tmp_path / "file"), flags)


def test_a_missing_file_passes_the_check_and_cannot_be_opened(tmp_path) -> None:
    check_file(str(tmp_path / "file"))

    with pytest.raises(FileNotFoundError):
        open_file(str(tmp_path / "file"), os.O_RDWR)


@root
def test_a_file_of_another_user_is_an_error_that_names_both_users(tmp_path) -> None:
    path = tmp_path / "file"
    path.touch(mode=0o666)
    os.chown(path, OTHER, OTHER)

    with pytest.raises(
        OwnershipError, match=rf"belongs to uid {OTHER}, but this process runs as root \(uid 0\)"
    ):
        open_file(str(path), os.O_RDWR)


@root
def test_root_opens_the_files_of_a_folders_owner(tmp_path) -> None:
    path = tmp_path / "file"
    path.touch()
    for item in (tmp_path, path):
        os.chown(item, OTHER, OTHER)

    os.close(open_file(str(path), os.O_RDWR))

    os.chown(path, OTHER + 1, OTHER)
    with pytest.raises(OwnershipError, match=f"belongs to uid {OTHER + 1}"):
        open_file(str(path), os.O_RDWR)


def test_an_account_is_named_with_its_uid() -> None:
    assert user_name(0) == "root (uid 0)"
    assert user_name(OTHER) == f"uid {OTHER}"


def test_the_error_can_be_pickled() -> None:
    error = pickle.loads(pickle.dumps(OwnershipError("is a link", "/x")))

    assert (error.strerror, error.filename) == ("is a link", "/x")


# --- folders ---------------------------------------------------------------------------------------


def test_a_private_folder_and_its_missing_parents_get_mode_0700(tmp_path) -> None:
    previous = os.umask(0o002)
    try:
        make_private_folder(str(tmp_path / "deep" / "run"))
    finally:
        os.umask(previous)

    assert mode(tmp_path / "deep") == mode(tmp_path / "deep" / "run") == 0o700


@pytest.mark.parametrize("before", [0o1777, 0o777, 0o775, 0o755, 0o750, 0o701])
def test_the_mode_of_an_existing_folder_is_not_changed(tmp_path, before) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    folder.chmod(before)

    with pytest.raises(
        OwnershipError, match=f"other users can .* this folder .mode {before:04o}.; use another folder"
    ):
        make_private_folder(str(folder))

    assert mode(folder) == before


def test_a_shared_folder_may_be_readable_and_not_writable(tmp_path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for accepted in (0o755, 0o700):
        folder.chmod(accepted)
        make_private_folder(str(folder), shared=True)

    for refused in (0o1777, 0o775, 0o757):
        folder.chmod(refused)
        with pytest.raises(OwnershipError, match="other users can write to this folder"):
            make_private_folder(str(folder), shared=True)
        assert mode(folder) == refused


@root
def test_a_folder_of_another_user_is_an_error(tmp_path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    os.chown(folder, OTHER, OTHER)

    with pytest.raises(OwnershipError, match=f"belongs to uid {OTHER}, or is not a folder"):
        make_private_folder(str(folder))


@pytest.mark.parametrize("name", ["link", "dangling", "file"])
def test_a_link_or_a_file_in_place_of_the_folder_is_an_error(tmp_path, name) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "dangling").symlink_to(tmp_path / "missing")
    (tmp_path / "file").touch()

    with pytest.raises(OwnershipError, match="or is not a folder"):
        make_private_folder(str(tmp_path / name))


def test_a_data_directory_that_other_users_can_write_to_is_an_error(tmp_path) -> None:
    for accepted in (0o700, 0o755):
        tmp_path.chmod(accepted)
        check_folder(str(tmp_path))

    for refused in (0o777, 0o1777, 0o770):
        tmp_path.chmod(refused)
        with pytest.raises(OwnershipError, match="other users can write to this folder"):
            check_folder(str(tmp_path))
    tmp_path.chmod(0o700)


# --- the folders above a socket --------------------------------------------------------------------


def test_every_folder_above_a_path_is_checked(tmp_path) -> None:
    path = tmp_path / "a" / "b" / "socket"
    path.parent.mkdir(parents=True)
    check_parents(str(path))

    (tmp_path / "a").chmod(0o777)

    with pytest.raises(OwnershipError, match=r"other users can write to this folder \(mode 0777\)") as caught:
        check_parents(str(path))
    assert caught.value.filename == str(tmp_path / "a")


@root
def test_a_sticky_folder_of_root_is_accepted_and_one_of_a_user_is_not(tmp_path) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    folder.chmod(0o1777)
    check_parents(str(folder / "socket"), {0, OTHER})

    os.chown(folder, OTHER, OTHER)

    with pytest.raises(OwnershipError, match="other users can write to this folder"):
        check_parents(str(folder / "socket"), {0, OTHER})


@root
@pytest.mark.parametrize("kind", ["folder", "link"])
def test_a_folder_or_link_of_another_user_above_a_path_is_an_error(tmp_path, kind) -> None:
    (tmp_path / "real").mkdir()
    middle = tmp_path / "real"
    if kind == "link":
        middle = tmp_path / "link"
        middle.symlink_to("real")
    os.chown(middle, OTHER, OTHER, follow_symlinks=False)

    with pytest.raises(OwnershipError) as caught:
        check_parents(str(middle / "socket"))
    assert caught.value.filename == str(middle)

    check_parents(str(middle / "socket"), {0, OTHER})


def test_the_target_of_a_link_above_a_path_is_checked(tmp_path) -> None:
    (tmp_path / "open" / "inner").mkdir(parents=True)
    (tmp_path / "open").chmod(0o777)
    for target in ("open/inner", str(tmp_path / "open" / "inner"), "x/../open/inner"):
        (tmp_path / "x").mkdir(exist_ok=True)
        link = tmp_path / "link"
        link.unlink(missing_ok=True)
        link.symlink_to(target)

        with pytest.raises(OwnershipError) as caught:
            check_parents(str(link / "socket"))
        assert caught.value.filename == str(tmp_path / "open")


def test_links_in_a_circle_are_an_error(tmp_path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")

    with pytest.raises(OwnershipError, match="too many symbolic links"):
        check_parents(str(tmp_path / "a" / "socket"))


def test_in_a_user_namespace_without_root_the_folders_of_root_have_the_overflow_uid(
    monkeypatch, tmp_path
) -> None:
    table = tmp_path / "uid_map"
    monkeypatch.setattr("builtins.open", lambda _path, **_options: table.open(encoding="ascii"))
    for text, uids in (
        ("0 0 4294967295\n", {0}),
        ("1000 1000 1\n", {0, 65534}),
        ("5 5 1\n0 100000 2\n", {0}),
    ):
        table.write_text(text)
        ownership._root_uids.cache_clear()

        assert ownership._root_uids() == uids
    ownership._root_uids.cache_clear()


# --- sockets ---------------------------------------------------------------------------------------


@pytest.mark.process
def test_a_socket_and_its_peer_are_of_this_user(short) -> None:
    path = str(short / "socket")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(path)
        listener.listen()
        check_socket(path, {os.geteuid()})
        client.connect(path)

        assert peer_uid(client) == os.geteuid()


@root
@pytest.mark.process
def test_a_socket_of_another_user_is_an_error(short) -> None:
    path = str(short / "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        os.chown(path, OTHER, OTHER)

        with pytest.raises(OwnershipError, match=f"belongs to uid {OTHER}"):
            check_socket(path, {0})


def test_a_file_is_not_a_socket(tmp_path) -> None:
    (tmp_path / "socket").touch()

    with pytest.raises(FileNotFoundError):
        check_socket(str(tmp_path / "socket"), {os.geteuid()})
