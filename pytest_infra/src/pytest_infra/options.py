"""What can be said on the command line and in the ini file; the command line is the stronger one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import pytest

from infra_runtime.manifest import ENVIRONMENTS

#: option → metavar and help; each has an ini value of the same name with underscores. One without a metavar
#: is a flag: a word that may be left out would take the path of a test for its own.
OPTIONS: dict[str, tuple[str, str]] = {
    "infra-services": (
        "NAMES",
        "the services of the whole stack, with commas (default: those of the stack file)",
    ),
    "infra-profile": (
        "NAME",
        "the profile that chooses the services: minimal, full, or one of the stack file",
    ),
    "infra-env": ("NAME", f"the environment to run in: {', '.join(ENVIRONMENTS)} (default: test)"),
    "infra-data": ("PATH", "the stack's data directory (default: .data-test beside the stack file)"),
    "infra-directory": (
        "PATH",
        "where to look for the stack file, and then above (default: pytest's root directory)",
    ),
    "infra-reuse": (
        "",
        "leave the stack warm for the next run, and use a warm one (in CI: only if said here)",
    ),
    "infra-reuse-for": ("SECONDS", "the same, and for how long it stays (default: 3600)"),
    "infra-keep": (
        "no|failed",
        "what failed tests had stays, and the stack with it, for eight hours (in CI: only if said here)",
    ),
    "infra-strict": (
        "",
        "fail the run when anything of its stack is left at its end (in CI it does so by itself)",
    ),
}

#: writes snapshots; it has no ini value, because a run that always writes them checks nothing
UPDATE_OPENAPI = "--infra-update-openapi"

#: seconds that a warm stack stays
STAYS = 3600.0
YES_OR_NO = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


class Options(NamedTuple):
    """What was chosen for this run; None and nothing leave it to the stack file.

    A tuple, because a dataclass takes a millisecond to make, in every run that needs none of it.
    """

    services: tuple[str, ...]
    profile: str | None
    environment: str
    data: Path | None
    directory: Path
    #: seconds that the stack stays for the next run; None: it ends with this one
    reuse: float | None
    #: leave what failed tests had in place
    keep: bool
    strict: bool


def add(parser: pytest.Parser) -> None:
    """Tell pytest of them."""
    group = parser.getgroup("infra", "real services as fixtures [pytest-infra]")
    for name, (metavar, text) in OPTIONS.items():
        ini = name.replace("-", "_")
        choices = ENVIRONMENTS if name == "infra-env" else None
        if metavar:
            group.addoption(f"--{name}", metavar=metavar, choices=choices, default=None, help=text)
        else:
            group.addoption(f"--{name}", action="store_const", const="yes", default=None, help=text)
        parser.addini(ini, f"{text}; --{name} is the stronger one", type="string", default="")
    group.addoption(
        UPDATE_OPENAPI,
        action="store_true",
        help="write the snapshots of openapi_snapshot, and pass its checks",
    )


def read(config: pytest.Config) -> Options:
    """The options of a run. Raises `pytest.UsageError` for an environment that does not exist."""
    environment = _chosen(config, "env") or "test"
    if environment not in ENVIRONMENTS:
        raise pytest.UsageError(
            f"infra_env: {environment!r} is no environment; there are: {', '.join(ENVIRONMENTS)}"
        )
    data = _chosen(config, "data")
    return Options(
        services=tuple(_chosen(config, "services").replace(",", " ").split()),
        profile=_chosen(config, "profile") or None,
        environment=environment,
        data=config.rootpath / Path(data).expanduser() if data else None,
        directory=config.rootpath / Path(_chosen(config, "directory")).expanduser(),
        reuse=_reuse(config),
        keep=_keep(config),
        strict=_strict(config),
    )


def in_ci() -> bool:
    """Whether nobody watches. Source: nearly every CI service sets `CI`."""
    return os.environ.get("CI", "").lower() not in {"", "0", "false", "no"}


def _reuse(config: pytest.Config) -> float | None:
    on = _yes_or_no("infra_reuse", _chosen_by_hand(config, "reuse")) or False
    given = getattr(config.known_args_namespace, "infra_reuse_for", None)
    if not on and given is None:
        return None
    text = _chosen(config, "reuse_for")
    try:
        seconds = float(text) if text else STAYS
    except ValueError:
        seconds = float("nan")
    if not 0 <= seconds < float("inf"):
        raise pytest.UsageError(f"infra_reuse_for: {text!r} is no number of seconds")
    return seconds


def _keep(config: pytest.Config) -> bool:
    text = _chosen_by_hand(config, "keep")
    if text not in {"", "no", "failed"}:
        raise pytest.UsageError(f"infra_keep: {text!r} is neither no nor failed")
    return text == "failed"


def _strict(config: pytest.Config) -> bool:
    chosen = _yes_or_no("infra_strict", _chosen(config, "strict"))
    return in_ci() if chosen is None else chosen


def _yes_or_no(name: str, text: str) -> bool | None:
    """None: nothing was said."""
    if text and text.lower() not in YES_OR_NO:
        raise pytest.UsageError(f"{name}: {text!r} is neither yes nor no")
    return YES_OR_NO.get(text.lower())


def _chosen_by_hand(config: pytest.Config, name: str) -> str:
    """In CI the ini file counts for nothing: nobody comes back to what stays there."""
    given = getattr(config.known_args_namespace, f"infra_{name}", None)
    return str(given or ("" if in_ci() else config.getini(f"infra_{name}")))


def _chosen(config: pytest.Config, name: str) -> str:
    given = getattr(config.known_args_namespace, f"infra_{name}", None)
    return str(given if given is not None else config.getini(f"infra_{name}"))
