"""Install executables from a local server: the steps, and what can fail in each step."""

from __future__ import annotations

import os
import pickle
import signal
import stat
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.artefacts import PROGRAM, Files, locked, save, serving, tar
from fakes.small_disk import on_a_small_disk
from fakes.stacks import until
from infra_runtime.binaries import Binary, bundle, content, installation, locate, lockfile, platforms, store
from infra_runtime.binaries.installation import Locks, install, required
from infra_runtime.binaries.lockfile import EMPTY, Locked
from infra_runtime.binaries.recipe import Archive, Maven, Recipe
from infra_runtime.binaries.store import Store
from infra_runtime.errors import BinaryMissingError, InstallError, IntegrityError

pytestmark = pytest.mark.process
CONTENT = tar({"tool-1.0/bin/tool": PROGRAM, "tool-1.0/LICENSE": b"the licence"})
RECIPE = Recipe(name="tool", programs={"tool": ""}, sources=(), licence="MIT", is_users=True)


@pytest.fixture
def files() -> Iterator[Files]:
    with serving() as served:
        yield served


@pytest.fixture
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The store of this user, in a folder that does not exist yet."""
    monkeypatch.setenv("INFRA_BINARIES", str(tmp_path / "binaries"))
    return store.default()


def everything(own_store: Store) -> list[str]:
    """Return the entries and downloads of a store."""
    return sorted(
        str(path.relative_to(own_store.folder))
        for pattern in ("*/*/manifest.json", "downloads/*/*", "*/.new-*")
        for path in own_store.folder.glob(pattern)
    )


def test_an_archive_is_installed_and_its_program_found(files: Files, own_store: Store) -> None:
    entry = locked("tool", files.add("tool.tar.gz", CONTENT), CONTENT)

    (installed,) = install([(RECIPE, entry)], own_store)
    path = locate(Binary(name="tool"))

    assert (
        path == installed.program("tool") == own_store.folder / "tool" / entry.key / "root/tool-1.0/bin/tool"
    )
    assert subprocess.check_output([path, "--version"], text=True) == "tool --version\n"
    assert [file.read_text() for file in (installed.folder / "licences").iterdir()] == ["the licence"]
    assert everything(own_store) == [f"tool/{entry.key}/manifest.json"]
    assert stat.S_IMODE(own_store.folder.stat().st_mode) == 0o700


def test_a_program_without_an_archive_is_installed(files: Files, own_store: Store) -> None:
    content = Path("/bin/true").read_bytes()
    entry = locked("tool", files.add("tool-linux", content), content)

    (installed,) = install([(RECIPE, entry)], own_store)

    assert subprocess.call([installed.program("tool")]) == 0


def test_an_installed_entry_is_not_downloaded_again(files: Files, own_store: Store) -> None:
    entry = locked("tool", files.add("tool.tar.gz", CONTENT), CONTENT)
    install([(RECIPE, entry)], own_store)
    files.requests.clear()

    install([(RECIPE, entry)], own_store, offline=True)

    assert files.requests == []


def test_an_installation_does_not_wait_for_the_build_of_another_one(
    files: Files, own_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that builds a program of Go also installs another version of the second recipe."""
    built = tar({"bin/slow": PROGRAM})
    slow = replace(locked("slow", files.add("slow", built), built), source="go")
    old = locked("tool", files.add("tool", CONTENT), CONTENT)
    new = replace(old, version="2.0")
    begun, end, unpack = threading.Event(), threading.Event(), content.unpack

    def unpack_slowly(entry: Locked, downloads: Path, folder: Path) -> None:
        if entry.recipe == "slow":
            begun.set()
            end.wait()
        unpack(entry, downloads, folder)

    monkeypatch.setattr(content, "unpack", unpack_slowly)

    with ThreadPoolExecutor() as pool:
        try:
            slow_recipe = replace(RECIPE, name="slow", programs={"slow": ""})
            first = pool.submit(install, [(slow_recipe, slow), (RECIPE, old)], own_store)
            assert begun.wait(300)
            (tool,) = pool.submit(install, [(RECIPE, new)], own_store).result(300)
        finally:
            end.set()

    assert tool.locked == new
    assert [entry.locked for entry in first.result()] == [slow, old]
    assert [path for path in everything(own_store) if path.startswith("downloads/")] == []


def test_the_downloads_of_a_running_installation_are_not_removed(own_store: Store) -> None:
    own_store.prepare()
    for name in ("running", "rest"):
        save(own_store.downloads / name, "file", b"content")

    with own_store.locked("running"):
        installation.remove_downloads(own_store)

    assert everything(own_store) == ["downloads/running/file"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (tar({"../evil": PROGRAM}), "has an absolute path"),
        (b"<html>not found</html>", "damaged"),
        (tar({"bin/another": PROGRAM}), "do not contain the program tool"),
    ],
)
def test_a_failed_installation_leaves_nothing(
    content: bytes, problem: str, files: Files, own_store: Store
) -> None:
    entry = locked("tool", files.add("tool.tar.gz", content), content)

    with pytest.raises((IntegrityError, InstallError), match=problem):
        install([(RECIPE, entry)], own_store)

    assert [path for path in everything(own_store) if not path.startswith("downloads/")] == []
    with pytest.raises(BinaryMissingError):
        locate(Binary(name="tool"))


def test_a_file_that_differs_from_the_lock_is_not_unpacked(files: Files, own_store: Store) -> None:
    entry = locked("tool", files.add("tool.tar.gz", CONTENT), CONTENT[:-1] + b"x")

    with pytest.raises(IntegrityError, match="SHA-256"):
        install([(RECIPE, entry)], own_store)

    assert everything(own_store) == []


def test_a_prepared_download_with_another_content_is_downloaded_again(files: Files, own_store: Store) -> None:
    entry = locked("tool", files.add("tool.tar.gz", CONTENT), CONTENT)
    own_store.prepare()
    save(own_store.downloads / "tool", entry.artefacts[0].file_name, bytes(len(CONTENT)))

    install([(RECIPE, entry)], own_store)

    assert len(files.requests) == 1


def test_offline_uses_downloads_only(files: Files, own_store: Store) -> None:
    entry = locked("tool", files.add("tool.tar.gz", CONTENT), CONTENT)

    with pytest.raises(InstallError, match=r"1 files are not in .*, and the network is not used"):
        install([(RECIPE, entry)], own_store, offline=True)
    save(own_store.downloads / "tool", entry.artefacts[0].file_name, CONTENT)
    install([(RECIPE, entry)], own_store, offline=True)

    assert files.requests == []


#: reads a recipe with its locked entry and a store, installs the program, and prints its folder
INSTALL = """
import pickle, sys
from infra_runtime.binaries.installation import install
item, own = pickle.load(sys.stdin.buffer)
print(install([item], own)[0].folder, end="")
"""


def test_two_installations_at_once_give_one_entry(files: Files, own_store: Store) -> None:
    entry = locked("tool", files.add("tool.tar.gz", CONTENT), CONTENT)

    argv = [sys.executable, "-c", INSTALL]
    started = [subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)]
    for process in started:
        assert process.stdin
        pickle.dump(((RECIPE, entry), own_store), process.stdin)
        process.stdin.flush()
    folders = [process.communicate(timeout=120)[0].decode() for process in started]

    assert folders == [str(own_store.path(entry))] * 2
    assert everything(own_store) == [f"tool/{entry.key}/manifest.json"]


@pytest.mark.parametrize("recipes", [("one", "two"), ("two", "one"), ("two", "three")])
def test_installations_with_common_recipes_at_once_give_one_entry_each(
    recipes: tuple[str, str], files: Files, own_store: Store
) -> None:
    """Two processes install `one` and `two`, or a part of them and another recipe."""
    entries = {name: locked(name, files.add(name, CONTENT), CONTENT) for name in ("one", "two", "three")}
    items = {name: (replace(RECIPE, name=name), entry) for name, entry in entries.items()}
    code = INSTALL.replace("item, own", "items, own").replace("[item]", "items")

    started = []
    for names in (("one", "two"), recipes):
        process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
        started.append(process)
        assert process.stdin
        pickle.dump(([items[name] for name in names], own_store), process.stdin)
        process.stdin.flush()
    for process in started:
        process.communicate(timeout=120)

    expected_names = sorted({"one", "two", *recipes})
    assert [process.returncode for process in started] == [0, 0]
    assert everything(own_store) == sorted(
        f"{name}/{entries[name].key}/manifest.json" for name in expected_names
    )


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_an_installation_that_was_ended_is_continued(
    number: signal.Signals, files: Files, own_store: Store
) -> None:
    """The server stalls; the process ends although a thread waits for the server."""
    content = tar({"tool": PROGRAM, "data": os.urandom(100_000)})
    entry = locked("tool", files.add("tool", content), content)
    files.stalled.add("tool")
    process = subprocess.Popen([sys.executable, "-c", INSTALL], stdin=subprocess.PIPE)
    try:
        assert process.stdin
        pickle.dump(((RECIPE, entry), own_store), process.stdin)
        process.stdin.close()
        part = own_store.downloads / "tool" / f"{entry.artefacts[0].file_name}.part"
        until(lambda: part.exists() and part.stat().st_size == 10)
        process.send_signal(number)
        assert process.wait(300) != 0
    finally:
        process.kill()
    files.stalled.clear()

    (installed,) = install([(RECIPE, entry)], own_store)

    assert files.requests[-1] == ("tool", "bytes=10-")
    assert subprocess.check_output([installed.program("tool")], text=True).startswith("tool")
    assert everything(own_store) == [f"tool/{entry.key}/manifest.json"]


def test_the_remains_of_a_killed_installation_are_removed(files: Files, own_store: Store) -> None:
    entry = locked("tool", files.add("tool.tar.gz", CONTENT), CONTENT)
    incomplete_folder = own_store.folder / "tool" / f".new-{entry.key}"
    own_store.prepare()
    incomplete_folder.mkdir(parents=True)
    (incomplete_folder / "manifest.json").write_text("{}")

    assert own_store.installed() == []
    install([(RECIPE, entry)], own_store)

    assert not incomplete_folder.exists()


def test_a_platform_without_an_artefact_is_named_with_those_that_have_one() -> None:
    other = replace(locked("tool", "https://files.test/tool", b""), platform="plan9-mips")

    with pytest.raises(InstallError, match="no artefact for linux-x, only for plan9-mips"):
        required(RECIPE, Locks(kit=EMPTY.updated([other])), "linux-x")
    with pytest.raises(InstallError, match="no lock contains the recipe") as caught:
        required(RECIPE, Locks(), "linux-x")
    assert caught.value.hint == "Run `infra bin lock tool`."


def test_a_refused_licence_is_never_downloaded() -> None:
    recipe = replace(RECIPE, is_users=False, licence="SSPL-1.0")
    entry = locked("tool", "https://files.test/tool", b"")

    with pytest.raises(InstallError, match=r"never downloads programs with the licence SSPL-1\.0") as caught:
        required(recipe, Locks(kit=EMPTY.updated([entry])), entry.platform)

    assert "[binaries.tool]" in caught.value.hint


def test_an_archive_is_locked_with_its_size(files: Files) -> None:
    url = files.add("tool.tar.gz", CONTENT)
    digest = locked("tool", url, CONTENT).artefacts[0].sha256
    here = Archive(platform=platforms.current(), url=url, sha256=digest, version="1.0")
    elsewhere = replace(here, platform="plan9-mips", url=f"{files.address}/missing")

    entry = installation.lock(replace(RECIPE, sources=(elsewhere, here)), platforms.current())

    assert (entry.version, entry.size, entry.source) == ("1.0", len(CONTENT), "archive")
    with pytest.raises(
        InstallError, match=r"no source has an artefact for other: archive: .* plan9-mips; archive"
    ):
        installation.lock(replace(RECIPE, sources=(elsewhere, here)), "other")


def test_an_archive_without_a_version_is_locked_with_the_beginning_of_its_hash(
    files: Files, tmp_path: Path
) -> None:
    url = files.add("tool.tar.gz", CONTENT)
    digest = locked("tool", url, CONTENT).artefacts[0].sha256
    source = Archive(platform=platforms.current(), url=url, sha256=digest, version="")
    path = tmp_path / lockfile.NAME

    entry = installation.lock(replace(RECIPE, sources=(source,)), platforms.current())
    lockfile.write(path, EMPTY.updated([entry]))

    assert entry.version == digest[:12]
    assert lockfile.read(path).get("tool", platforms.current()) == entry


def test_a_read_only_folder_is_an_error_with_a_hint(tmp_path: Path) -> None:
    printed = on_a_small_disk(
        tmp_path / "disk",
        "1m",
        "from infra_runtime.binaries.store import Store\n"
        "make_read_only()\n"
        "try: Store(disk / 'binaries').prepare()\n"
        "except InfraError as error: print(error); print(error.hint)\n",
    )

    assert printed[0].endswith("cannot be written: Read-only file system")
    assert printed[1] == "Set INFRA_BINARIES to another folder."


@pytest.mark.parametrize("name", ["a:b", "a;b", "a\nb"])
def test_a_folder_whose_name_contains_a_separator_of_paths_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InstallError, match="which separates the folders in LD_LIBRARY_PATH") as caught:
        Store(tmp_path / name).prepare()

    assert "INFRA_BINARIES" in caught.value.hint


def test_a_full_disk_is_an_error_and_leaves_no_entry(tmp_path: Path) -> None:
    content = tar({"tool": os.urandom(400_000)})
    printed = on_a_small_disk(
        tmp_path / "disk",
        "1m",
        "import hashlib, io, os, tarfile\n"
        "from infra_runtime.binaries.store import Store\n"
        "from infra_runtime.binaries.installation import install\n"
        "from fakes.artefacts import locked, save, tar\n"
        "from infra_runtime.binaries.recipe import Recipe\n"
        "content = tar({'tool': bytes(3_000_000)})\n"
        "store = Store(disk / 'binaries'); store.prepare()\n"
        "entry = locked('tool', 'https://files.test/tool', content)\n"
        "save(store.downloads / 'tool', entry.artefacts[0].file_name, content)\n"
        "recipe = Recipe(name='tool', programs={'tool': ''}, sources=(), licence='MIT')\n"
        "try: install([(recipe, entry)], store, offline=True)\n"
        "except InfraError as error: print(error)\n"
        "print(store.installed(), list((disk / 'binaries' / 'tool').iterdir()))\n",
    )

    assert len(content) < 1_000_000
    assert printed[0].endswith("cannot be written: No space left on device")
    assert printed[1] == "[] []"


def test_a_disk_that_is_full_after_a_part_of_the_download_is_an_error(tmp_path: Path) -> None:
    printed = on_a_small_disk(
        tmp_path / "disk",
        "1m",
        "import os\n"
        "from infra_runtime.binaries.store import Store\n"
        "from infra_runtime.binaries.installation import install\n"
        "from fakes.artefacts import locked, serving\n"
        "from infra_runtime.binaries.recipe import Recipe\n"
        "content, store = os.urandom(3_000_000), Store(disk / 'binaries')\n"
        "recipe = Recipe(name='tool', programs={'tool': ''}, sources=(), licence='MIT')\n"
        "with serving() as files:\n"
        "    entry = locked('tool', files.add('tool', content), content)\n"
        "    try: install([(recipe, entry)], store)\n"
        "    except InfraError as error: print(error.exit_code, error)\n",
    )

    assert printed[0].startswith("14 ")
    assert printed[0].endswith("cannot be written: No space left on device")


def test_a_disk_that_is_too_small_for_a_bundle_is_an_error(tmp_path: Path) -> None:
    printed = on_a_small_disk(
        tmp_path / "disk",
        "1m",
        "import os\n"
        "from infra_runtime.binaries import bundle\n"
        "from infra_runtime.binaries.store import Store\n"
        "from fakes.artefacts import locked, serving\n"
        "from infra_runtime.binaries.recipe import Recipe\n"
        "content, small = os.urandom(600_000), Store(disk / 'binaries')\n"
        "large = Store(disk.parent / 'large')\n"
        "known = {'tool': Recipe(name='tool', programs={'tool': ''}, sources=(), licence='MIT')}\n"
        "with serving() as files:\n"
        "    entry = locked('tool', files.add('tool', content), content)\n"
        "    bundle.write(disk.parent / 'x', [entry], large, known=known)\n"
        "    (disk / 'half').write_bytes(bytes(600_000))\n"
        "    for store, path in ((small, disk.parent / 'y'), (large, disk / 'y')):\n"
        "        try: bundle.write(path, [entry], store, known=known)\n"
        "        except InfraError as error: print(error.exit_code, error)\n"
        "try: bundle.read(disk.parent / 'x', [], known, small)\n"
        "except InfraError as error: print(error.exit_code, error)\n"
        "print([path.name for path in disk.iterdir()], (disk.parent / 'y').exists())\n",
    )

    for line in printed[:3]:
        assert line.startswith("14 ")
        assert "No space left on device" in line
    assert sorted(printed[3].split("'")[1::2]) == ["binaries", "half"]
    assert printed[3].endswith("False")


def test_a_folder_with_noexec_is_refused(tmp_path: Path) -> None:
    printed = on_a_small_disk(
        tmp_path / "disk",
        "1m",
        "from infra_runtime.binaries.store import Store\n"
        "assert subprocess.call(['mount', '-o', 'remount,bind,noexec', disk]) == 0\n"
        "try: Store(disk / 'binaries').prepare()\n"
        "except InfraError as error: print(error)\n",
    )

    assert "mounted with `noexec`" in printed[0]


@pytest.mark.parametrize("cache", ["", "/elsewhere"])
def test_the_default_folder_does_not_depend_on_the_cache_of_a_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: str
) -> None:
    monkeypatch.delenv("INFRA_BINARIES", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("INFRA_CACHE", cache)

    assert store.default_folder() == tmp_path / "pytest-infra" / "binaries"


def test_the_folder_can_be_a_link(
    files: Files, own_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(own_store.folder)
    monkeypatch.setenv("INFRA_BINARIES", str(tmp_path / "link"))
    entry = locked("tool", files.add("tool.tar.gz", CONTENT), CONTENT)

    (installed,) = install([(RECIPE, entry)], store.default())

    assert store.default_folder() == own_store.folder
    assert locate(Binary(name="tool")) == installed.program("tool")


def test_a_folder_that_others_can_change_is_neither_filled_nor_used(files: Files, own_store: Store) -> None:
    entry = locked("tool", files.add("tool.tar.gz", CONTENT), CONTENT)
    (installed,) = install([(RECIPE, entry)], own_store)
    own_store.folder.chmod(0o777)

    with pytest.raises(InstallError, match="other users can write to this folder"):
        install([(RECIPE, replace(entry, version="2.0"))], own_store)
    with pytest.raises(BinaryMissingError, match="other users can write to this folder"):
        locate(Binary(name="tool"))
    own_store.folder.chmod(0o700)
    assert locate(Binary(name="tool")) == installed.program("tool")


def test_a_program_that_others_can_change_is_not_used(files: Files, own_store: Store) -> None:
    entry = locked("tool", files.add("tool.tar.gz", CONTENT), CONTENT)
    (installed,) = install([(RECIPE, entry)], own_store)
    program = installed.program("tool")

    for path in (program, program.parent, installed.folder):
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(0o777)
        with pytest.raises(BinaryMissingError, match="other users can write to this"):
            locate(Binary(name="tool"))
        path.chmod(mode)
    assert locate(Binary(name="tool")) == program
    program.unlink()
    with pytest.raises(BinaryMissingError, match="not found"):
        locate(Binary(name="tool"))


def test_changed_files_of_an_installation_are_found(files: Files, own_store: Store) -> None:
    entry = locked("tool", files.add("tool.tar.gz", CONTENT), CONTENT)
    (installed,) = install([(RECIPE, entry)], own_store)
    assert installed.damage() == []

    (installed.folder / "root/tool-1.0/bin/tool").write_bytes(b"#!/bin/sh\nexit 1\n")
    (installed.folder / "root/added").write_bytes(b"")

    assert installed.damage() == ["root/added", "root/tool-1.0/bin/tool"]


def test_the_lock_of_the_project_determines_the_version(
    files: Files, own_store: Store, tmp_path: Path
) -> None:
    newer = tar({"bin/tool": b"#!/bin/sh\necho newer\n"})
    first = locked("tool", files.add("one", CONTENT), CONTENT)
    second = locked("tool", files.add("two", newer), newer, version="2.0")
    install([(RECIPE, first)], own_store)
    install([(RECIPE, second)], own_store)
    os.utime(own_store.path(first) / store.MANIFEST, (1, 1))

    lockfile.write(tmp_path / lockfile.NAME, EMPTY.updated([first]))

    assert locate(Binary(name="tool")).is_relative_to(own_store.path(second))
    assert locate(Binary(name="tool"), project=tmp_path).is_relative_to(own_store.path(first))
    lockfile.write(tmp_path / lockfile.NAME, EMPTY.updated([replace(first, version="3.0")]))
    with pytest.raises(BinaryMissingError):
        locate(Binary(name="tool"), project=tmp_path)


def test_of_two_recipes_with_a_program_the_required_version_is_found(
    files: Files, own_store: Store, tmp_path: Path
) -> None:
    required_entries = []
    for major in (15, 18):
        content = tar({"bin/tool": f"#!/bin/sh\necho {major}.1\n".encode()})
        recipe = replace(RECIPE, name=f"tool-{major}", major=major)
        required_entries.append((recipe, locked(recipe.name, files.add(recipe.name, content), content)))
    install(required_entries, own_store)

    for recipe, entry in required_entries:
        assert locate(Binary(name="tool", major=recipe.major)).is_relative_to(own_store.path(entry))
        lockfile.write(tmp_path / lockfile.NAME, EMPTY.updated([entry]))
        assert locate(Binary(name="tool"), project=tmp_path).is_relative_to(own_store.path(entry))
    with pytest.raises(BinaryMissingError, match="tool: version 16 was not found"):
        locate(Binary(name="tool", major=16))


def test_only_the_removed_entry_is_missing(files: Files, own_store: Store) -> None:
    first = locked("tool", files.add("one", CONTENT), CONTENT)
    second = locked("tool", files.add("one", CONTENT), CONTENT, version="2.0")
    entries = install([(RECIPE, first), (RECIPE, second)], own_store)

    own_store.remove(entries[0])

    assert [entry.locked for entry in own_store.installed()] == [second]


def test_a_bundle_installs_without_network(files: Files, own_store: Store, tmp_path: Path) -> None:
    entry = locked("tool", files.add("tool.tar.gz", CONTENT), CONTENT)
    bundle.write(tmp_path / "servers.bundle", [entry], own_store, known={"tool": RECIPE})
    files.contents.clear()
    other = Store(tmp_path / "other machine")

    bundled_entries = bundle.read(tmp_path / "servers.bundle", [], {"tool": RECIPE}, other)
    (installed,) = install(bundled_entries, other, offline=True)

    assert subprocess.check_output([installed.program("tool"), "x"], text=True) == "tool x\n"
    assert install(bundle.read(tmp_path / "servers.bundle", [], {"tool": RECIPE}, other), other) == [
        installed
    ]
    assert everything(own_store) == []
    assert everything(other) == [f"tool/{entry.key}/manifest.json"]


def test_java_and_bubblewrap_are_installed_before_the_programs_that_need_them(
    files: Files, own_store: Store, tmp_path: Path
) -> None:
    """The entries of a bundle are in the order of their names."""
    java = tar({"bin/java": b"#!/bin/sh\necho 'openjdk 21.0.1'\n"})
    broker = replace(RECIPE, name="broker", programs={"broker": "Main"}, sources=(Maven(artefacts=()),))
    jdk = replace(RECIPE, name="jdk", programs={"java": ""})
    entries = [
        replace(locked("broker", "unused", b""), source="maven", artefacts=()),
        locked("jdk", files.add("jdk", java), java),
    ]
    known = {"broker": broker, "jdk": jdk}
    bundle.write(tmp_path / "servers.bundle", entries, own_store, known=known)

    installed = install(
        bundle.read(tmp_path / "servers.bundle", [], known, own_store), own_store, offline=True
    )

    assert [entry.locked.recipe for entry in installed] == ["broker", "jdk"]
    own_store.remove(installed[1])
    assert store.find("broker", store=own_store) is None
    install([(jdk, entries[1])], own_store)
    assert store.find("broker", store=own_store) == installed[0].program("broker")


def test_a_bundle_for_another_platform_is_an_error(files: Files, own_store: Store, tmp_path: Path) -> None:
    entry = replace(locked("tool", files.add("tool", CONTENT), CONTENT), platform="plan9-mips")
    bundle.write(tmp_path / "servers.bundle", [entry], own_store, known={"tool": RECIPE})

    with pytest.raises(InstallError, match="it contains tool for plan9-mips"):
        bundle.read(tmp_path / "servers.bundle", [], {"tool": RECIPE}, own_store)


def test_a_changed_or_cut_bundle_is_an_error(files: Files, own_store: Store, tmp_path: Path) -> None:
    path = tmp_path / "servers.bundle"
    bundle.write(
        path, [locked("tool", files.add("tool", CONTENT), CONTENT)], own_store, known={"tool": RECIPE}
    )
    content = path.read_bytes()
    start = content.index(CONTENT)
    changed = content[: start + 20] + b"changed" + content[start + 27 :]

    for wrong in (changed, content[: start + 20], b"", b"something else"):
        path.write_bytes(wrong)
        with pytest.raises(IntegrityError):
            bundle.read(path, [], {"tool": RECIPE}, own_store)


@pytest.mark.parametrize(
    ("folder", "problem"),
    [
        (lockfile.NAME, "infra.lock in the bundle is not a file"),
        ("artefacts/", "in the bundle must be a file of .* bytes"),
    ],
)
def test_a_bundle_with_a_folder_instead_of_a_file_is_an_error(
    files: Files, own_store: Store, tmp_path: Path, folder: str, problem: str
) -> None:
    path, wrong = tmp_path / "servers.bundle", tmp_path / "wrong.bundle"
    bundle.write(
        path, [locked("tool", files.add("tool", CONTENT), CONTENT)], own_store, known={"tool": RECIPE}
    )
    with tarfile.open(path) as old, tarfile.open(wrong, "w") as new:
        for member in old:
            content = old.extractfile(member)
            if member.name.startswith(folder):
                member.type, member.size = tarfile.DIRTYPE, 0
            new.addfile(member, content)

    with pytest.raises(IntegrityError, match=problem):
        bundle.read(wrong, [], {"tool": RECIPE}, own_store)


def test_a_bundle_with_an_unknown_recipe_is_an_error(files: Files, own_store: Store, tmp_path: Path) -> None:
    path = tmp_path / "servers.bundle"
    bundle.write(
        path, [locked("tool", files.add("tool", CONTENT), CONTENT)], own_store, known={"tool": RECIPE}
    )

    with pytest.raises(InstallError, match="does not contain this recipe") as caught:
        bundle.read(path, [], {}, own_store)

    assert "[binaries.tool]" in caught.value.hint


def test_a_bundle_that_cannot_be_written_is_an_error(files: Files, own_store: Store, tmp_path: Path) -> None:
    path = tmp_path / "servers.bundle"
    path.mkdir()

    with pytest.raises(InstallError, match=r"servers.bundle: the bundle cannot be written"):
        bundle.write(
            path, [locked("tool", files.add("tool", CONTENT), CONTENT)], own_store, known={"tool": RECIPE}
        )

    assert not path.with_name("servers.bundle.part").exists()
    with pytest.raises(InstallError, match="its folder does not exist"):
        bundle.write(tmp_path / "missing" / "x", [], own_store, known={})


if sys.platform != "linux":
    pytest.skip("the tests use mounts and programs of Linux", allow_module_level=True)
