"""Ask the user whether `infra runtime up` installs missing executables and images, and install them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from infra_cli import output
from infra_cli.download_display import progress_line
from infra_runtime.errors import BinaryMissingError
from infra_runtime.host.containers import ENGINE

if TYPE_CHECKING:
    from infra_runtime.config.request import Resolved

#: the values of INFRA_INSTALL that allow the installation
_YES = frozenset({"1", "true", "yes", "on"})


def install_missing(resolved: Resolved, error: BinaryMissingError, *, allowed: bool, may_ask: bool) -> bool:
    """Install the missing executables of a plan that have a recipe; return whether they were installed.

    The option `--install` (`allowed`), INFRA_INSTALL=1 or, in a terminal, the answer to a question allows the
    installation. In CI, the command does not ask. If recipes exist but the installation is not allowed, the
    hint of `error` explains how to install the executables.

    Raises `InstallError` or `IntegrityError` if the installation fails.
    """
    from infra_runtime.config import missing_executables

    missing = missing_executables.missing(resolved)
    root = Path(resolved.plan.root)
    installable = missing_executables.installable(missing, root)
    if not installable:
        return False
    question = "Install them in the folder of this user, without root?"
    if not _is_allowed(installable, "programs", question, allowed=allowed, may_ask=may_ask):
        error.hint += (
            " `infra runtime up --install` or INFRA_INSTALL=1 installs missing executables before the start."
        )
        return False
    with progress_line() as progress:
        missing_executables.install(installable, root, report=output.note, progress=progress)
    return True


def pull_missing(resolved: Resolved, *, allowed: bool, may_ask: bool) -> bool:
    """Download missing images if this is allowed (see `install_missing`).

    Return whether they were downloaded.

    Raises `InstallError` if a download fails.
    """
    from infra_runtime.config import missing_images

    missing = missing_images.missing(resolved)
    engine = Path(resolved.binaries[ENGINE]).name
    if not _is_allowed(missing, "images", f"Download them with {engine}?", allowed=allowed, may_ask=may_ask):
        return False
    missing_images.pull(missing, resolved, report=output.note)
    return True


def _is_allowed(items: Sequence[object], noun: str, question: str, *, allowed: bool, may_ask: bool) -> bool:
    """Return whether the missing `items` may be installed; if so, print the items.

    `allowed` and INFRA_INSTALL allow the installation. Otherwise the user is asked if `may_ask` is true and
    the program runs in a terminal outside CI; the items are then printed before the question.
    """
    is_set = allowed or os.environ.get("INFRA_INSTALL", "").lower() in _YES
    is_terminal = sys.stdin.isatty() and sys.stderr.isatty() and not os.environ.get("CI")
    if not is_set and not (may_ask and is_terminal):
        return False
    installing = f"installing the missing {noun} of this stack:"
    output.note(installing if is_set else f"this stack needs {noun} that are missing:")
    for item in items:
        click.echo(f"  {item}", err=True)
    return is_set or click.confirm(question, default=True, err=True)
