"""Packages of Debian are solved and downloaded by apt without root, and run by each launch method."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.artefacts import Files, package, save, serving, tar
from infra_runtime.binaries import installation, launch, lockfile, platforms, recipes
from infra_runtime.binaries.installation import install
from infra_runtime.binaries.lockfile import Artefact, Locked
from infra_runtime.binaries.platforms import current
from infra_runtime.binaries.recipe import Debian, Recipe
from infra_runtime.binaries.sources import debian
from infra_runtime.binaries.store import Installed, Store
from infra_runtime.errors import InstallError, IntegrityError

SHELL = Recipe(
    name="dash",
    programs={"dash": "bin/dash"},
    sources=(Debian(packages=("dash",), mounts=("/usr/share/doc",)),),
    licence="BSD-3-Clause",
    is_users=True,
)


def test_only_libraries_of_the_dependencies_are_needed() -> None:
    solved = {
        "server": {"Depends": "libc6 (>= 2.36), libssl3 | libssl1, adduser, libapp-perl, cache-server"},
        "libc6": {"Depends": "libgcc-s1, libcrypt1"},
        "libgcc-s1": {"Depends": "gcc-12-base"},
        "libssl3t64": {"Provides": "libssl3 (= 3.0)", "Pre-Depends": "libz"},
        "libz": {},
        "adduser": {"Depends": "libonly-for-adduser"},
        "libonly-for-adduser": {},
        "libapp-perl": {},
        "cache-server": {},
    }

    assert debian._closure(["server"], solved) == ["libc6", "libgcc-s1", "libssl3t64", "libz", "server"]


def test_a_part_of_the_archive_has_the_same_purpose_in_another_release() -> None:
    archive = "http://files.test/debian"
    suites = ("bookworm", "bookworm-updates", "bookworm-security")
    known = [debian.Repository(address=archive, suite=suite) for suite in suites]

    assert [debian.of_release(source, "trixie").suite for source in known] == [
        "trixie",
        "trixie-updates",
        "trixie-security",
    ]
    assert [debian.of_release(source, "") for source in known] == known


def test_another_system_has_no_packages_of_debian() -> None:
    with pytest.raises(InstallError, match="do not run on macos-arm64"):
        installation.lock(SHELL, "macos-arm64")


@pytest.mark.parametrize(
    ("platform", "architecture"), [("linux-musl-x86_64", "amd64"), ("linux-aarch64", "arm64")]
)
def test_a_machine_with_musl_has_the_packages_for_its_processor(
    platform: str, architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def solve(_recipe: str, _work: Path, architecture: str) -> None:
        raise InstallError("apt", f"solves for {architecture}")

    monkeypatch.setattr(debian, "repositories", list)
    monkeypatch.setattr(debian, "_Apt", solve)

    with pytest.raises(InstallError, match=f"debian: solves for {architecture}"):
        installation.lock(SHELL, platform)


@pytest.mark.process
def test_a_machine_without_apt_downloads_from_the_mirrors_of_its_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = package(tar({"./usr/bin/dash": b"#!/bin/sh\necho hello\n"}))
    monkeypatch.setattr(debian, "HELPER", str(tmp_path / "missing"))
    recipe = Recipe(name="dash", programs={"dash": ""}, sources=(), licence="BSD-3-Clause")
    with serving() as files:
        files.add("security/pool/d/dash_1.deb", content)
        monkeypatch.setenv(debian.ARCHIVE, f"{files.address}/debian {files.address}/security/")

        (installed,) = install([(recipe, locked(content))], Store(tmp_path / "binaries"))
        with pytest.raises(debian.GoneError, match="none of the addresses in INFRA_DEBIAN_ARCHIVE has"):
            install([(recipe, locked(b"other", version="2"))], Store(tmp_path / "others"))
        files.contents["security/pool/d/dash_1.deb"] = content[:-1] + b"x"
        with pytest.raises(IntegrityError, match="the SHA-256 is"):
            install([(recipe, locked(content))], Store(tmp_path / "others"))

    assert subprocess.check_output([installed.program("dash")], text=True) == "hello\n"
    monkeypatch.delenv(debian.ARCHIVE)
    with pytest.raises(InstallError, match="apt is missing") as caught:
        install([(recipe, locked(content))], Store(tmp_path / "others"))
    assert "Set INFRA_DEBIAN_ARCHIVE to the address of a mirror" in caught.value.hint


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """A real program of Debian with all of its libraries, and bubblewrap in the same store."""
    folder = tmp_path_factory.mktemp("real")
    store = Store(folder / "with space")
    bubblewrap = recipes.find("bubblewrap")
    entry = installation.required(bubblewrap, installation.read_locks(None), current())
    installation.install_or_renew([(bubblewrap, entry)], store, project=folder, report=print)
    return install([(SHELL, installation.lock(SHELL, current()))], store)[0]


@pytest.mark.real("apt-get")
class TestApt:
    """apt with a local archive, and with the archive of the machine's configuration."""

    @pytest.fixture
    def files(self) -> Iterator[Files]:
        with serving() as served:
            yield served

    @pytest.fixture
    def archive(self, files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
        """A configuration of apt with an archive on this machine."""
        (tmp_path / "sources.list").write_text(f"deb [trusted=yes] {files.address}/debian bookworm main\n")
        lines = [f'Dir::Etc::SourceList "{tmp_path}/sources.list";', 'Dir::Etc::SourceParts "-";']
        (tmp_path / "apt.conf").write_text("\n".join(lines))
        monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
        return files

    def test_the_address_is_that_of_the_configuration(self, archive: Files) -> None:
        (repository,) = debian.repositories()

        assert repository.address.rstrip("/") == f"{archive.address}/debian"
        assert repository.suite == "bookworm"

    def test_discs_and_archives_of_other_origins_are_ignored(self, archive: Files, tmp_path: Path) -> None:
        """The list that apt has downloaded from another archive contains its origin."""
        others = (
            f"deb [trusted=yes] {archive.address}/acme bookworm main\ndeb cdrom:[Debian]/ bookworm main\n"
        )
        with (tmp_path / "sources.list").open("a") as file:
            file.write(others)
        with (tmp_path / "apt.conf").open("a") as file:
            file.write(f'\nDir::State::Lists "{tmp_path}/lists";\n')
        stem = f"{archive.address.removeprefix('http://')}_acme_dists_bookworm"
        text = f"Origin: Acme\nCodename: bookworm\nComponents: main\nSHA256:\n {'0' * 64} 0 main/x\n"
        save(tmp_path / "lists", f"{stem}_Release", text.encode())
        for architecture in ("amd64", "arm64"):
            save(tmp_path / "lists", f"{stem}_main_binary-{architecture}_Packages", b"")

        assert [one.address for one in debian.repositories()] == [f"{archive.address}/debian/"]

    @pytest.mark.parametrize("name", ["Release", "InRelease"])
    def test_an_archive_without_a_signature_of_debian_is_refused(
        self, name: str, archive: Files, tmp_path: Path
    ) -> None:
        """Also if the configuration of apt allows archives without a signature."""
        with (tmp_path / "apt.conf").open("a") as file:
            file.write(
                '\nAcquire::AllowInsecureRepositories "true"; APT::Get::AllowUnauthenticated "true";\n'
            )
        packages = f"Package: dash\nVersion: 1\nFilename: pool/d/dash_1.deb\nSize: 1\nSHA256: {'0' * 64}\n"
        digest = hashlib.sha256(packages.encode()).hexdigest()
        package_lists = "".join(
            f" {digest} {len(packages)} main/binary-{architecture}/Packages\n"
            for architecture in ("amd64", "arm64")
        )
        text = (
            f"Origin: Debian\nSuite: bookworm\nCodename: bookworm\nComponents: main\nSHA256:\n{package_lists}"
        )
        archive.add(f"debian/dists/bookworm/{name}", text.encode())
        for architecture in ("amd64", "arm64"):
            archive.add(f"debian/dists/bookworm/main/binary-{architecture}/Packages", packages.encode())

        with pytest.raises(InstallError, match=r"not signed|signed file|NOSPLIT"):
            installation.lock(SHELL, current())

    def test_a_locked_package_is_downloaded_and_unpacked(self, archive: Files, tmp_path: Path) -> None:
        content = package(tar({"./usr/bin/dash": b"#!/bin/sh\necho hello\n"}))
        entry = locked(content)
        archive.add("debian/pool/d/dash_1.deb", content)
        recipe = Recipe(name="dash", programs={"dash": ""}, sources=(), licence="BSD-3-Clause")

        (installed,) = install([(recipe, entry)], Store(tmp_path / "it's $HOME"))

        assert installed.methods == (launch.LIBRARIES,)
        assert subprocess.check_output([installed.program("dash")], text=True) == "hello\n"
        assert ".new-" not in installed.program("dash").read_text()

    def test_programs_in_their_own_folder_get_links_and_variables(
        self, archive: Files, tmp_path: Path
    ) -> None:
        """The program finds its files relative to its own path, and other programs in its own folder."""
        text = '#!/bin/sh\ncat "$SHARED/file" "${0%/*}/../name.control"; exec "${0%/*}/other"\n'
        content = package(
            tar(
                {
                    "./usr/lib/server/15/bin/server": text.encode(),
                    "./usr/lib/server/15/bin/other": b'#!/bin/sh\necho "$0"\n',
                    "./usr/lib/server/15/name-3.control": b"control\n",
                    "./usr/share/server/file": b"shared\n",
                }
            )
        )
        archive.add("debian/pool/d/dash_1.deb", content)
        source = Debian(
            packages=("dash",),
            variables={"SHARED": "usr/share/server"},
            links={"usr/lib/server/15/name.control": "name-3.control"},
        )
        programs = {name: f"usr/lib/server/15/bin/{name}" for name in ("server", "other")}
        recipe = replace(SHELL, programs=programs, sources=(source,))

        (installed,) = install([(recipe, locked(content))], Store(tmp_path / "binaries"))

        path = installed.program("server")
        assert path.resolve().relative_to(installed.folder / "launch/libraries/links") == Path(
            "usr/lib/server/15/bin/server"
        )
        assert subprocess.check_output([path], text=True).splitlines() == [
            "shared",
            "control",
            str(installed.folder / "root/usr/lib/server/15/bin/other"),
        ]
        assert installed.damage() == []

    def test_packages_without_a_c_library_are_refused_on_a_machine_without_it(
        self, archive: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        content = package(tar({"./bin/dash": b"\x7fELF"}))
        archive.add("debian/pool/d/dash_1.deb", content)
        monkeypatch.setattr(platforms, "glibc_version", lambda: ())

        with pytest.raises(InstallError, match="need the GNU C library, which this machine does not have"):
            install([(SHELL, locked(content))], Store(tmp_path / "binaries"))

    def test_programs_that_do_not_start_without_their_paths_need_bubblewrap(
        self, archive: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        content = package(tar({"./bin/dash": b"#!/bin/sh\n"}))
        archive.add("debian/pool/d/dash_1.deb", content)
        packages = Debian(packages=("dash",), mounts=("/usr/share/dash",), mounts_required=True)
        recipe, empty_store = replace(SHELL, sources=(packages,)), Store(tmp_path / "binaries")

        monkeypatch.setattr(launch, "bubblewrap_program", lambda _: "")
        with pytest.raises(InstallError, match="need /usr/share/dash, but `bwrap` is missing") as error:
            install([(recipe, locked(content))], empty_store)
        monkeypatch.setattr(launch, "bubblewrap_program", lambda _: "/bin/bwrap")
        (installed,) = install([(recipe, locked(content))], empty_store)

        assert "infra bin install bubblewrap dash" in error.value.hint
        assert installed.methods == (launch.BUBBLEWRAP,)

    @pytest.mark.parametrize("scheme", ["http", "file"])
    def test_a_package_that_left_the_archive_is_an_error(
        self, archive: Files, tmp_path: Path, scheme: str
    ) -> None:
        if scheme == "file":
            (tmp_path / "mirror").mkdir()
            source = f"deb [trusted=yes] file:{tmp_path}/mirror bookworm main\n"
            (tmp_path / "sources.list").write_text(source)

        with pytest.raises(debian.GoneError, match=r"404|File not found"):
            install([(SHELL, locked(b"content"))], Store(tmp_path / "binaries"))

    def test_a_package_that_left_the_archive_is_resolved_again(
        self, archive: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        content = package(tar({"./bin/dash": b"#!/bin/sh\n"}))
        old, new = locked(b"content"), replace(locked(content, version="2"), version="2")
        archive.add("debian/pool/d/dash_2.deb", content)
        monkeypatch.setattr(installation, "lock", lambda recipe, platform: new)
        lockfile.write(tmp_path / lockfile.NAME, lockfile.EMPTY.updated([old]))
        reported: list[str] = []

        (installed,) = installation.install_or_renew(
            [(SHELL, old)], Store(tmp_path / "binaries"), project=tmp_path, report=reported.append
        )

        assert installed.locked == new
        assert reported[1:] == ["dash: dash 1 → 2", f"{tmp_path / lockfile.NAME} is updated"]
        assert lockfile.read(tmp_path / lockfile.NAME).get("dash", current()) == new

    def test_a_package_with_another_content_is_refused(self, archive: Files, tmp_path: Path) -> None:
        archive.add("debian/pool/d/dash_1.deb", b"CONTENT")

        with pytest.raises(IntegrityError, match="Hash Sum mismatch"):
            install([(SHELL, locked(b"content"))], Store(tmp_path / "binaries"))

    def test_the_lock_contains_the_package_and_its_libraries(self, shell: Installed) -> None:
        names = [artefact.name for artefact in shell.locked.artefacts]

        assert names == ["dash", "libc6", "libgcc-s1"]
        assert shell.locked.version == shell.locked.artefacts[0].version
        assert {path.name for path in (shell.folder / "licences").iterdir()} >= {"dash-copyright"}

    @pytest.mark.parametrize("method", launch.METHODS)
    def test_a_program_and_its_child_processes_run_by_each_method(
        self, shell: Installed, method: str
    ) -> None:
        if method == launch.BUBBLEWRAP and not shell.bubblewrap:
            pytest.skip("the kernel forbids user namespaces")
        usable = launch.available(
            [method], glibc_needed=shell.glibc, mounts=True, bubblewrap=shell.bubblewrap
        )
        if not usable:
            pytest.skip(f"the C library of this machine is older than {shell.glibc}")
        script = shell.folder / "launch" / method / "dash"
        code = 'echo "$0" "$1"; /bin/echo host; dash -c "echo child; exec /bin/sh -c \'echo grandchild\'"'

        printed = subprocess.check_output([script, "-c", code, "name", "a  b"], text=True, timeout=60)

        assert printed.splitlines() == ["name a  b", "host", "child", "grandchild"]

    def test_the_loader_uses_no_library_of_the_machine(self, shell: Installed) -> None:
        started = shell.launch_of("dash", launch.LOADER)

        maps = subprocess.check_output([*started.argv, "-c", "cat /proc/$$/maps"], text=True, timeout=60)

        libraries = {line.split(maxsplit=5)[5] for line in maps.splitlines() if ".so" in line}
        assert libraries
        assert all(path.startswith(str(shell.folder)) for path in libraries)

    def test_bubblewrap_shows_the_folders_of_the_packages(self, shell: Installed) -> None:
        if not shell.bubblewrap:
            pytest.skip("the kernel forbids user namespaces")
        script = shell.folder / "launch" / launch.BUBBLEWRAP / "dash"

        printed = subprocess.check_output([script, "-c", "echo /usr/share/doc/*"], text=True, timeout=60)

        assert printed.split() == ["/usr/share/doc/dash", "/usr/share/doc/libgcc-s1"]
        assert shell.method() == launch.BUBBLEWRAP

    def test_an_older_c_library_leads_to_the_loader(
        self, shell: Installed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(platforms, "glibc_version", lambda: (2, 17))

        methods = launch.available(shell.methods, glibc_needed=shell.glibc, mounts=False, bubblewrap="")

        assert methods == [launch.LOADER]


def locked(content: bytes, version: str = "1") -> Locked:
    """Return the lock entry of a package with this content."""
    artefact = Artefact(
        registry="debian",
        name="dash",
        version=version,
        path=f"pool/d/dash_{version}.deb",
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        suite="bookworm",
    )
    return Locked(
        recipe="dash",
        platform=current(),
        source="debian",
        version="1",
        licence="BSD-3-Clause",
        artefacts=(artefact,),
    )
