"""A copy of the checkout with its own environment, so that a test can change the sources of all processes."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

import psutil

#: the environment variable that makes the tests use all examples and require their servers
PROFILE = "INFRA_TEST_PROFILE"
#: the environment variable of all processes that run in the copy: its path
COPY = "INFRA_TEST_COPY"
SOURCES = ("runtime/src", "cli/src", "pytest_infra/src")
#: the files and folders of the checkout that the tests need
COPIED = ("runtime", "cli", "pytest_infra", "tests", "docs", "examples", "pyproject.toml", "README.md")


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """The copy, and the Python of its environment."""

    root: Path
    python: Path

    def run(self, arguments: list[str], seconds: float, **variables: str) -> int | None:
        """Run Python, and return its exit status, or None after a timeout; kill the processes it leaves."""
        # Bytecode is written, because every run imports the same modules.
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        with subprocess.Popen(
            [self.python, *arguments],
            cwd=self.root,
            env={PROFILE: "full", **inherited, COPY: str(self.root), **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            try:
                return process.wait(seconds)
            except subprocess.TimeoutExpired:
                return None
            finally:
                for candidate in psutil.process_iter():
                    with contextlib.suppress(psutil.Error, OSError):
                        if candidate.environ().get(COPY) == str(self.root):
                            candidate.kill()


def copied(original: Path, folder: Path) -> Checkout:
    """Copy a checkout, and create an environment with the packages of this one and the sources of the copy.

    Processes that the tests start use this environment, too, whatever their variables are.
    """
    root, prefix = folder / "checkout", folder / "environment"
    root.mkdir()
    for name in COPIED:
        source = original / name
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__", ".data*"))
        else:
            shutil.copyfile(source, root / name)
    venv.create(prefix, symlinks=True)
    packages = sysconfig.get_path("purelib", vars={"base": str(prefix), "platbase": str(prefix)})
    paths = [str(root / source) for source in (*SOURCES, "tests")]
    paths.append(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})")
    Path(packages, "sources.pth").write_text("\n".join(paths), encoding="utf-8")
    for script in Path(sys.prefix, "bin").iterdir():
        target = prefix / "bin" / script.name
        if target.exists() or not script.is_file():
            continue
        content = script.read_bytes()
        if content.startswith(b"#!"):
            target.write_bytes(content.replace(os.fsencode(sys.prefix), os.fsencode(prefix)))
            target.chmod(0o755)
        else:
            target.symlink_to(script)
    return Checkout(root=root, python=prefix / "bin" / "python")
