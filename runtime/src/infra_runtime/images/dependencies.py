"""Install the locked packages of a project into a folder, from wheels only, for the platform of an image.

uv installs the packages, or pip if uv is missing. uv and pip write different files, so the digest of the
layer depends on which of these two programs is used, but not on the machine.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from infra_runtime.binaries import Binary, locate, platforms
from infra_runtime.errors import BinaryMissingError, ImageError
from infra_runtime.images.documents import Platform
from infra_runtime.images.locked import Locked
from infra_runtime.value import frozen

#: architecture in images → processor in the platform tags of wheels
_PROCESSORS = {"amd64": "x86_64", "arm64": "aarch64"}
#: The newest C library that a wheel may need: Debian 10 and RHEL 8 have 2.28. With `manylinux2014` many
#: wheels for arm64 are missing.
_GLIBC = 28
#: the time limit in seconds for the installation of all packages
_TIMEOUT = 1800
#: the largest number of characters in a message that are copied from the output of the installer
_LONGEST = 1000
#: the patterns of the files that uv and pip write for their own use
_OWN_FILES = (".lock", "__pycache__")
_PYTHON = re.compile(r"python[\d.]*")


@frozen
class Installer:
    """The program that installs packages: uv, or pip of this Python."""

    #: the path of uv; None if pip is used
    uv: Path | None

    @property
    def name(self) -> str:
        """The name of the program, `uv` or `pip`."""
        return "uv" if self.uv else "pip"

    def command(self, file: Path, target: Path, platform: Platform, python: str, *, test: bool) -> list[str]:
        """Return the command that installs the requirements in a file; `test` makes it a dry run."""
        common = ["--require-hashes", "--no-deps", "--target", str(target), "--python-version", python]
        common += ["--only-binary", ":all:", *(["--dry-run"] if test else []), "-r", str(file)]
        processor = _PROCESSORS[platform.architecture]
        if self.uv:
            name = f"{processor}-manylinux_2_{_GLIBC}"
            words = ["--python", sys.executable, "--link-mode", "copy", "--no-compile-bytecode", "--quiet"]
            return [str(self.uv), "pip", "install", *words, "--python-platform", name, *common]
        tags = platforms.WHEEL_TAGS[f"linux-{processor}"]
        words = [word for tag in tags if _admitted(tag) for word in ("--platform", tag)]
        pip = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--no-compile",
            "--quiet",
            "--disable-pip-version-check",
        ]
        return [*pip, *words, "--implementation", "cp", *common]


def _admitted(tag: str) -> bool:
    """Return whether the GNU C library in a tag such as `manylinux_2_31_x86_64` is at most 2.`_GLIBC`.

    The result is True for tags without such a version.
    """
    numbers = re.match(r"manylinux_2_(\d+)_", tag)
    return not numbers or int(numbers[1]) <= _GLIBC


def installer() -> Installer:
    """Return the program that installs packages on this machine."""
    try:
        return Installer(uv=locate(Binary(name="uv")))
    except BinaryMissingError:
        return Installer(uv=None)


def install(
    packages: Sequence[Locked], target: Path, *, platform: Platform, python: str, program: Installer
) -> None:
    """Install packages into the folder `target`, for a platform and a version of Python such as `3.13`.

    Raises `ImageError` if a package cannot be installed; the error names the first package without a wheel,
    or the package whose wheel has another hash than in the lock. If this package is unknown, the error names
    the program.
    """
    if platform.os != "linux" or platform.architecture not in _PROCESSORS:
        supported = ", ".join(f"linux/{name}" for name in _PROCESSORS)
        raise ImageError(
            str(platform),
            f"packages cannot be installed for this platform; the supported platforms are: {supported}",
        )
    target.mkdir(parents=True)
    if not packages:
        return
    file = target.with_suffix(".requirements.txt")
    problem = _run(program, packages, file, target, platform, python, test=False)
    if problem:
        failed_package = _first_missing(program, packages, file, target, platform, python) or _named(
            problem, packages
        )
        location = f"{failed_package.name} {failed_package.version}" if failed_package else program.name
        what = (
            f"no wheel for {platform} and Python {python}, or another hash than in the lock"
            if failed_package
            else "failed"
        )
        raise ImageError(location, what, f"The output of {program.name}: {problem}")
    for name in _OWN_FILES:
        for path in target.rglob(name):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _first_missing(
    program: Installer, packages: Sequence[Locked], file: Path, target: Path, platform: Platform, python: str
) -> Locked | None:
    """Return the first package that cannot be installed, after a separate dry run for each package."""
    return next(
        (
            package
            for package in packages
            if _run(program, [package], file, target, platform, python, test=True)
        ),
        None,
    )


def _named(output: str, packages: Sequence[Locked]) -> Locked | None:
    """Return the package whose name and version are in `output`, an error message; None if there is none.

    A dry run does not always find the package, because a dry run of uv does not compare the hashes of wheels.
    """
    for package in packages:
        pinned = re.escape(f"{package.name}=={package.version}")
        if re.search(rf"(?i)(?<![\w.-]){pinned}(?![\w.+-])", output):
            return package
    return None


def _run(
    program: Installer,
    packages: Sequence[Locked],
    file: Path,
    target: Path,
    platform: Platform,
    python: str,
    *,
    test: bool,
) -> str:
    """Run the program, and return the end of its error output; empty if the program succeeds."""
    file.write_text("".join(package.requirement() for package in packages), encoding="utf-8")
    command = program.command(file, target, platform, python, test=test)
    try:
        process = subprocess.run(
            command,
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{program.name} was stopped after {_TIMEOUT} s"
    finally:
        file.unlink(missing_ok=True)
    text = " ".join(process.stderr.split())[-_LONGEST:]
    return text or f"exit code {process.returncode}" if process.returncode else ""


def relocate_scripts(folder: Path, interpreter: str) -> None:
    """Replace the interpreter in each console script by `interpreter`, the interpreter of the image.

    The hashes of the scripts in the files RECORD are updated.

    uv and pip write the path of the interpreter on this machine into the scripts.
    """
    changed_records: dict[str, str] = {}
    for script in sorted((folder / "bin").glob("*")) if (folder / "bin").is_dir() else ():
        script_bytes = script.read_bytes()
        if (body := _body(script_bytes)) is not None:
            script_bytes = f"#!{interpreter}\n".encode() + body
            script.write_bytes(script_bytes)
            digest = base64.urlsafe_b64encode(hashlib.sha256(script_bytes).digest()).rstrip(b"=").decode()
            changed_records[f"bin/{script.name}"] = f"sha256={digest},{len(script_bytes)}"
    for record in sorted(folder.glob("*.dist-info/RECORD")):
        lines = record.read_text(encoding="utf-8").splitlines()
        new_lines = [*_record(lines, changed_records)]
        if new_lines != lines:
            record.write_text("".join(f"{line}\n" for line in new_lines), encoding="utf-8")


def _record(lines: Sequence[str], changed_records: dict[str, str]) -> Iterator[str]:
    for line in lines:
        path = line.partition(",")[0]
        name = re.sub(r"^(\.\./)*", "", path)
        yield f"{path},{changed_records[name]}" if name in changed_records else line


def _body(data: bytes) -> bytes | None:
    """Return a Python script without its first lines, which contain the interpreter; None for other files.

    For a long path, the first three lines are `#!/bin/sh`, `'''exec' PATH "$0" "$@"` and `' '''`.
    """
    first_line, _, remainder = data.partition(b"\n")
    if first_line.startswith(b"#!/bin/sh") and remainder.startswith(b"'''exec' "):
        return remainder.split(b"\n", 2)[2]
    words = first_line.removeprefix(b"#!").split()
    if (
        first_line.startswith(b"#!")
        and words
        and _PYTHON.fullmatch(words[-1].decode("utf-8", "replace").rpartition("/")[2])
    ):
        return remainder
    return None
