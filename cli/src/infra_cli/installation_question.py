"""The question of `infra runtime up` whether missing executables are to be installed."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from infra_cli import output
from infra_cli.download_display import progress_line
from infra_runtime.errors import BinaryMissingError

if TYPE_CHECKING:
    from infra_runtime.config.request import Resolved

#: the values of INFRA_INSTALL that allow the installation
_YES = frozenset({"1", "true", "yes", "on"})


def install_missing(resolved: Resolved, error: BinaryMissingError, *, allowed: bool, may_ask: bool) -> bool:
    """Install the executables that a plan lacks; return false if they are not installed.

    The installation is allowed by the option `--install` (`allowed`), by INFRA_INSTALL=1, or in a terminal by
    the answer to a question. In CI, the command does not ask. If the executables are not installed although
    recipes exist, the hint of `error` names the ways to install them.

    Raises `InstallError` or `IntegrityError` if the installation fails.
    """
    from infra_runtime.config import missing_executables

    missing = missing_executables.missing(resolved)
    root = Path(resolved.plan.root)
    chosen = missing_executables.installable(missing, root)
    if not chosen:
        return False
    lines = [f"  {each}" for each in chosen]
    if not (allowed or os.environ.get("INFRA_INSTALL", "").lower() in _YES):
        is_terminal = sys.stdin.isatty() and sys.stderr.isatty() and not os.environ.get("CI")
        if not (may_ask and is_terminal and _answer(lines)):
            error.hint += " `infra runtime up --install` or INFRA_INSTALL=1 installs it before the start."
            return False
    else:
        output.note("installing the missing programs of this stack:")
        for line in lines:
            click.echo(line, err=True)
    with progress_line() as progress:
        missing_executables.install(chosen, root, report=output.note, progress=progress)
    return True


def _answer(lines: list[str]) -> bool:
    """Ask whether to install, with size, licence and source of each recipe; return the answer."""
    output.note("this stack needs programs that are missing:")
    for line in lines:
        click.echo(line, err=True)
    return click.confirm("Install them in the folder of this user, without root?", default=True, err=True)
