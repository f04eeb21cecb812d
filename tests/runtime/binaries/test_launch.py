"""How programs are started: command line, variables, and the choice of the method."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from infra_runtime.binaries import launch, platforms
from infra_runtime.binaries.launch import BUBBLEWRAP, LIBRARIES, LOADER, Launch, Tree, available


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """The unpacked files of packages, with a space in the path."""
    base = tmp_path / "with space"
    for folder in (
        "root/usr/lib/x86_64-linux-gnu",
        "root/usr/bin",
        "glibc/lib/x86_64-linux-gnu",
        "glibc/lib64",
    ):
        (base / folder).mkdir(parents=True)
    (base / "glibc/lib64/ld-linux-x86-64.so.2").touch()
    (base / "root/usr/bin/tool").write_bytes(b"\x7fELF")
    return Tree(
        root=base / "root", glibc=base / "glibc", scripts=base / "launch", mounts=("/usr/share/tool",)
    )


def test_the_method_with_libraries_sets_their_folder(tree: Tree) -> None:
    started = launch.launch(tree, tree.root / "usr/bin/tool", LIBRARIES)

    assert started.argv == (str(tree.root / "usr/bin/tool"),)
    assert started.env["LD_LIBRARY_PATH"] == str(tree.root / "usr/lib/x86_64-linux-gnu")


def test_the_method_with_the_loader_uses_the_c_library_of_the_packages(tree: Tree) -> None:
    started = launch.launch(tree, tree.root / "usr/bin/tool", LOADER)

    loader, option, folders, *program_arguments = started.argv
    assert loader == str(tree.glibc / "lib64/ld-linux-x86-64.so.2")
    assert option == "--library-path"
    assert folders.split(":")[0] == str(tree.glibc / "lib/x86_64-linux-gnu")
    assert program_arguments == ["--argv0", "tool", str(tree.root / "usr/bin/tool")]
    assert "LD_LIBRARY_PATH" not in started.env


def test_the_loader_is_found_in_packages_that_contain_only_the_folder_usr(tree: Tree) -> None:
    """The package of the C library in Debian 13 has no folder `lib`."""
    (tree.glibc / "lib64/ld-linux-x86-64.so.2").unlink()
    new = tree.glibc / "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
    new.parent.mkdir(parents=True)
    new.touch()

    started = launch.launch(tree, tree.root / "usr/bin/tool", LOADER)

    assert started.argv[0] == str(new)
    assert str(new.parent) in started.argv[2].split(":")


def test_a_script_is_not_started_by_the_loader(tree: Tree) -> None:
    (tree.root / "usr/bin/setup").write_text("#!/bin/sh\n")

    assert launch.launch(tree, tree.root / "usr/bin/setup", LOADER).argv == (
        str(tree.root / "usr/bin/setup"),
    )


def test_the_method_with_bubblewrap_mounts_existing_folders_only(tree: Tree) -> None:
    started = launch.launch(tree, tree.root / "usr/bin/tool", BUBBLEWRAP, bubblewrap="/bin/bwrap")

    assert started.argv[:4] == ("/bin/bwrap", "--dev-bind", "/", "/")
    assert started.argv[4:7] == ("--ro-bind", f"{tree.root}/usr/share", "/usr/share")


def test_a_path_below_the_root_folder_that_does_not_exist_is_not_mounted(tree: Tree) -> None:
    """The mount would be at `/`, and hide all files of the machine."""
    tree = replace(tree, mounts=("/missing-folder/tool",))

    started = launch.launch(tree, tree.root / "usr/bin/tool", BUBBLEWRAP, bubblewrap="/bin/bwrap")

    assert "--ro-bind" not in started.argv


def test_variables_are_folders_of_the_packages(tree: Tree) -> None:
    tree = replace(tree, variables={"PROJ_LIB": "usr/share/proj"})

    for method in (LIBRARIES, LOADER, BUBBLEWRAP):
        started = launch.launch(tree, tree.root / "usr/bin/tool", method, bubblewrap="/bin/bwrap")
        assert started.env["PROJ_LIB"] == str(tree.root / "usr/share/proj")


def test_programs_in_their_own_folder_are_scripts_in_a_tree_of_links(tree: Tree) -> None:
    program_folder = tree.root / "usr/lib/server/15"
    for path in ("bin/server", "bin/tool", "lib/library.so", "../other/file"):
        (program_folder / path).parent.mkdir(parents=True, exist_ok=True)
        (program_folder / path).write_bytes(b"\x7fELF")
    links = tree.scripts / launch.LINKS

    for name in ("server", "tool"):
        place = tree.linked(program_folder / "bin" / name)
        launch.write_links(tree, program_folder / "bin" / name)
        assert place == links / "usr/lib/server/15/bin" / name
        launch.write_script(place, name)

    folder = links / "usr/lib/server/15"
    assert (folder / "lib/library.so").resolve() == program_folder / "lib/library.so"
    assert (links / "usr/lib/server/other").is_symlink()
    assert [(folder / "bin" / name).read_text() for name in ("server", "tool")] == ["server", "tool"]
    assert (program_folder / "bin/server").read_bytes() == b"\x7fELF"
    assert launch.launch(tree, program_folder / "bin/server", LOADER).argv[-2:] == (
        str(folder / "bin/server"),
        str(program_folder / "bin/server"),
    )
    assert tree.linked(tree.root / "usr/bin/tool") is None


@pytest.mark.process
def test_a_script_keeps_arguments_variables_and_the_pid(tmp_path: Path) -> None:
    text = Launch(
        argv=("/bin/sh", "-c", 'echo $$ "$A B" "$PATH" "$@"', "name"),
        env={"A": "it's $HOME", "PATH": "/one/with space"},
        root="/",
    ).script()
    launch.write_script(tmp_path / "x y" / "tool", text)

    with subprocess.Popen(
        [tmp_path / "x y" / "tool", "a  b", "$c", "'"],
        stdout=subprocess.PIPE,
        text=True,
        env={"PATH": "/usr/bin:/bin"},
    ) as process:
        printed, _ = process.communicate(timeout=300)

    assert printed == f"{process.pid} it's $HOME B /one/with space:/usr/bin:/bin a  b $c '\n"


@pytest.mark.parametrize(
    ("glibc", "needed", "mounts", "bubblewrap", "expected"),
    [
        ((2, 36), "2.36-9", False, "", [LIBRARIES, LOADER]),
        ((2, 31), "2.36-9", False, "", [LOADER]),
        ((), "2.36-9", False, "", [LOADER]),
        ((2, 41), "2.36-9", True, "/bin/bwrap", [BUBBLEWRAP, LIBRARIES, LOADER]),
        ((2, 31), "2.36-9", True, "", [LOADER]),
    ],
)
def test_the_methods_depend_on_the_c_library_and_on_namespaces(
    monkeypatch: pytest.MonkeyPatch,
    glibc: tuple[int, ...],
    needed: str,
    mounts: bool,
    bubblewrap: str,
    expected: list[str],
) -> None:
    monkeypatch.setattr(platforms, "glibc_version", lambda: glibc)

    methods = available(launch.METHODS, glibc_needed=needed, mounts=mounts, bubblewrap=bubblewrap)

    assert methods == expected


def test_a_machine_without_any_method_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platforms, "glibc_version", lambda: (2, 31))

    assert available([LIBRARIES], glibc_needed="2.36", mounts=False, bubblewrap="") == []


@pytest.mark.process
def test_bubblewrap_is_used_only_where_it_can_create_namespaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel can forbid user namespaces; `bwrap` then fails."""
    program = tmp_path / "bwrap"
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert launch.bubblewrap_program(program) == ""

    launch.write_script(program, "#!/bin/sh\nexit 0\n")
    assert launch.bubblewrap_program(program) == str(program)

    launch.write_script(program, "#!/bin/sh\necho 'No permissions to create new namespace' >&2\nexit 1\n")
    assert launch.bubblewrap_program(program) == ""
