"""How an installed program is started: directly, or with the libraries of its Debian packages.

Programs of Debian packages need the libraries of the packages. There are three methods:

- `libraries`: the variable LD_LIBRARY_PATH contains the folders of the libraries, and the C library is that
  of this machine. Child processes get the same libraries.
- `loader`: the program is started by the loader (`ld.so`) of its packages, with their C library. The method
  works with every distribution. A child process that is a program of the machine uses the machine's
  libraries; a child process that is a program of the packages is started by the loader, too.
- `bubblewrap`: the program runs in a mount namespace, where the absolute paths in the program, such as
  `/usr/share/prometheus`, are folders of the packages. Inside the namespace, the program is started with
  `loader` if the packages contain a C library, otherwise with `libraries`.

A launch is written as a small shell script, so that a plan can use the path of this script as it uses the
path of any program. The script replaces itself (`exec`), so that the pid is the pid of the program, or with
`bubblewrap` that of `bwrap`, whose child process is the program.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import field
from pathlib import Path

from infra_runtime.binaries import platforms
from infra_runtime.binaries.unpacking import is_program
from infra_runtime.value import frozen

LIBRARIES, LOADER, BUBBLEWRAP = "libraries", "loader", "bubblewrap"
#: the names of the methods, the preferred method first
METHODS = (LIBRARIES, LOADER, BUBBLEWRAP)
#: the folders whose programs do not depend on their own path
_SEARCHED = frozenset({"usr/bin", "usr/sbin", "bin", "sbin"})
#: the name of the tree of links in the folder with the scripts of a method
LINKS = "links"
#: the variables whose inherited value the script appends to the new value
_PATH_LISTS = frozenset({"PATH", "LD_LIBRARY_PATH"})


@frozen
class Launch:
    """The start of a program: the beginning of its command line, environment variables, and root folder."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    #: the folder with the unpacked files
    root: str

    def moved(self, old_folder: str, new_folder: str) -> Launch:
        """Return the start of the program after its folder was renamed from `old_folder` to `new_folder`."""
        return Launch(
            argv=tuple(word.replace(old_folder, new_folder) for word in self.argv),
            env={name: value.replace(old_folder, new_folder) for name, value in self.env.items()},
            root=self.root.replace(old_folder, new_folder),
        )

    def script(self) -> str:
        """Return a shell script that starts the program with the arguments of the script."""
        lines = ["#!/bin/sh"]
        for name, value in sorted(self.env.items()):
            inherited = f"${{{name}:+:${name}}}" if name in _PATH_LISTS else ""
            lines.append(f"export {name}={shlex.quote(value)}{inherited}")
        return "\n".join([*lines, f'exec {shlex.join(self.argv)} "$@"', ""])


@frozen
class Tree:
    """The unpacked files of Debian packages: the packages, and the C library in its own folder."""

    root: Path
    glibc: Path
    #: the folder with the scripts that start the programs; it is added to PATH, for the child processes of a
    #: program
    scripts: Path
    mounts: tuple[str, ...] = ()
    #: environment variable → its value: a folder, relative to `root`
    variables: Mapping[str, str] = field(default_factory=dict)

    def loader(self) -> Path | None:
        """Return the loader (`ld.so`) of the C library; None if the packages contain no C library.

        Since Debian 13, the package contains the folder `usr/lib`, and before it `lib`.
        """
        patterns = ("lib*/ld-linux*.so*", "lib/*/ld-linux*.so*")
        folders = (self.glibc, self.glibc / "usr")
        paths = [path for folder in folders for pattern in patterns for path in sorted(folder.glob(pattern))]
        return next((path for path in paths if path.exists()), None)

    def linked(self, program: Path) -> Path | None:
        """Return the path of a program in the tree of links; None if the program does not need this tree.

        Programs outside `usr/bin` and similar folders, such as the programs of PostgreSQL, can search for
        files relative to their own path, and for other programs in their own folder.
        """
        relative = program.relative_to(self.root)
        return None if str(relative.parent) in _SEARCHED else self.scripts / LINKS / relative

    def library_folders(self, tree: Path) -> list[str]:
        """Return the folders with libraries below `root` (the packages) or `glibc` (the C library)."""
        folders = sorted(tree.glob("lib/*-linux-gnu*")) + sorted(tree.glob("usr/lib/*-linux-gnu*"))
        return [str(folder) for folder in folders if folder.is_dir()]


def launch(tree: Tree, program: Path, method: str, *, bubblewrap: str = "") -> Launch:
    """Return the start of a program of Debian packages with a method.

    `bubblewrap` is the path of `bwrap`, for the method with this name.
    """
    env = {name: str(tree.root / folder) for name, folder in tree.variables.items()}
    env["PATH"] = str(tree.scripts)
    if method == LIBRARIES:
        libraries = {"LD_LIBRARY_PATH": ":".join(tree.library_folders(tree.root))}
        return Launch(argv=(str(program),), env={**env, **libraries}, root=str(tree.root))
    if method == LOADER:
        argv = (*_loader_words(tree, program), str(program)) if is_program(program) else (str(program),)
        return Launch(argv=argv, env=env, root=str(tree.root))
    program_launch = launch(tree, program, LOADER if tree.loader() else LIBRARIES)
    # A mount at `/` would hide all files of the machine.
    folders = dict.fromkeys(folder for mount in tree.mounts if (folder := _existing(mount)) != "/")
    binds = [word for folder in folders for word in ("--ro-bind", f"{tree.root}{folder}", folder)]
    # The option `--die-with-parent` is not set: if `bwrap` exits first, the supervisor sends the stop signals
    # to its child processes.
    prefix = (bubblewrap, "--dev-bind", "/", "/", *binds, "--")
    return Launch(argv=(*prefix, *program_launch.argv), env=program_launch.env, root=str(tree.root))


def _loader_words(tree: Tree, program: Path) -> tuple[str, ...]:
    """Return the beginning of a command line: the loader (`ld.so`) with its options. The program follows."""
    loader = tree.loader()
    if loader is None:
        raise ValueError(f"{tree.glibc} contains no loader")
    folders = [*tree.library_folders(tree.glibc), *tree.library_folders(tree.root)]
    name = str(tree.linked(program) or program.name)
    return (str(loader), "--library-path", ":".join(folders), "--argv0", name)


def _existing(path: str) -> str:
    """Return the nearest folder of this machine above a path, or the path itself if it is a folder.

    A mount point must exist: bubblewrap would create a missing folder on the file system of the machine.
    """
    folder = Path(path)
    while not folder.is_dir():
        folder = folder.parent
    return str(folder)


def available(methods: Iterable[str], *, glibc_needed: str, mounts: bool, bubblewrap: str) -> list[str]:
    """Return the methods that work on this machine, the preferred method first.

    `glibc_needed` is the version of the C library in the packages, and `mounts` is true if the programs
    contain absolute paths.
    """
    host = platforms.glibc_version()
    works = {
        LIBRARIES: bool(host) and host >= platforms.version_numbers(glibc_needed),
        LOADER: True,
        BUBBLEWRAP: mounts and bool(bubblewrap),
    }
    order = (BUBBLEWRAP, LIBRARIES, LOADER) if mounts else METHODS
    existing = set(methods)
    return [method for method in order if method in existing and works[method]]


def bubblewrap_program(installed: Path | None = None) -> str:
    """Return the path of `bwrap` if it can create namespaces on this machine, and otherwise an empty string.

    `installed` is the path of `bwrap` in the store; it is used if `bwrap` is not on PATH.
    """
    program = shutil.which("bwrap") or (str(installed) if installed else "")
    if not program:
        return ""
    test = [program, "--dev-bind", "/", "/", "--", "/bin/true"]
    try:
        process = subprocess.run(test, stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return program if process.returncode == 0 else ""


def write_links(tree: Tree, program: Path) -> None:
    """Add the folders above a program to the tree of links.

    Each folder contains links to all other entries of the original folder.
    """
    source, folder = tree.root, tree.scripts / LINKS
    for part in program.relative_to(tree.root).parts:
        if folder.is_symlink():  # a link to a folder that contains only other files so far
            folder.unlink()
        folder.mkdir(parents=True, exist_ok=True)
        for entry in source.iterdir():
            link = folder / entry.name
            if not link.is_symlink() and not link.exists():
                link.symlink_to(os.path.relpath(entry, folder))
        source, folder = source / part, folder / part
    folder.unlink(missing_ok=True)


def write_script(path: Path, text: str) -> None:
    """Write a script to the file `path`, which all users may execute."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    os.chmod(path, 0o755)  # noqa: PTH101, S103 - a program that all users may run
