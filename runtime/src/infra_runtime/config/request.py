"""One request for a stack and its answer, as values: which files, which environment, which directory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra_runtime.binaries import BinarySearch
from infra_runtime.config import stack_file
from infra_runtime.config.layers import Origin
from infra_runtime.config.stack_file import StackFile
from infra_runtime.errors import ConfigurationError, nearest
from infra_runtime.plan import Plan
from infra_runtime.spec import references, texts

ENVIRONMENTS = ("development", "test", "staging", "production")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """Everything that an engine needs to know. `variables` may hold secrets; `provenance` does not."""

    plan: Plan
    data: Path
    binaries: Mapping[str, str]
    environment: str
    variables: Mapping[str, str]
    stack_file: Path | None
    #: dotted key → its value, secrets masked, and where that came from
    provenance: Mapping[str, Origin]
    #: every executable that was looked for, found or not
    sought: tuple[BinarySearch, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked of the resolution, before any file but the stack file is read."""

    names: tuple[str, ...]
    environment: str
    environment_source: str
    profile: str | None
    skip: tuple[str, ...]
    overrides: Mapping[str, Any]
    file: StackFile | None
    root: Path
    data: Path
    data_source: str
    #: false for engines that read the variables when the stack starts, on another machine
    variables_required: bool = True


def variables(plan: Plan, request: Request) -> dict[str, str]:
    """The values of the plan's `${env.…}`: from the environment, or else from `.env`."""
    names = sorted(plan.environment_names())
    values: dict[str, str | None] = {name: os.environ.get(name) for name in names}
    if None in values.values():
        dotenv = read_dotenv(request.root / ".env", b"")
        values = {name: dotenv.get(name) if value is None else value for name, value in values.items()}
    for name, value in values.items():
        if request.variables_required and value is None and (user := _user(plan, f"env.{name}")):
            raise ConfigurationError(
                f"{user} refers to ${{env.{name}}}, and {name} is not set",
                where=request.file.where(("services", user)) if request.file else "",
                hint=f"Set it in the environment or in .env, or give a default: ${{env.{name}:-…}}.",
            )
    return {name: value for name, value in values.items() if value is not None}


def _user(plan: Plan, reference: str) -> str:
    users = (spec.name for spec in plan.services for text in texts(spec) if reference in references(text))
    return next(users, "")


def make_request(
    *,
    directory: Path | None,
    environment: str | None,
    data: Path | None,
    names: tuple[str, ...] = (),
    profile: str | None = None,
    skip: tuple[str, ...] = (),
    overrides: Mapping[str, Any] | None = None,
    variables_required: bool = True,
) -> Request:
    start = (directory or Path.cwd()).resolve()
    file = stack_file.find(start)
    root = file.path.parent if file else start
    dotenv = read_dotenv(root / ".env", b"INFRA_")
    chosen, source = _first(
        (environment, "--env"),
        (os.environ.get("INFRA_ENV"), "INFRA_ENV"),
        (dotenv.get("INFRA_ENV"), f"{root / '.env'}: INFRA_ENV"),
        ("development", "default"),
    )
    if chosen not in ENVIRONMENTS:
        raise ConfigurationError(f"{chosen!r} is no environment{nearest(chosen, ENVIRONMENTS)}", where=source)
    folder, data_source = _first(
        (str(data) if data else None, "--data"),
        (os.environ.get("INFRA_DATA"), "INFRA_DATA"),
        (dotenv.get("INFRA_DATA"), f"{root / '.env'}: INFRA_DATA"),
        (str(root / (".data-test" if chosen == "test" else ".data")), "default"),
    )
    path = Path(folder).expanduser()
    if not path.is_absolute():
        # A path from a file is meant from there; one from the command line from where one stands.
        path = (root if data_source.endswith(": INFRA_DATA") else Path.cwd()) / path
    return Request(
        names=names,
        environment=chosen,
        environment_source=source,
        profile=profile,
        skip=skip,
        overrides=overrides or {},
        file=file,
        root=root,
        data=path,
        data_source=data_source,
        variables_required=variables_required,
    )


def _first(*candidates: tuple[str | None, str]) -> tuple[str, str]:
    return next((value, source) for value, source in candidates if value)


def read_dotenv(path: Path, word: bytes) -> Mapping[str, str | None]:
    """The file's variables, when that word is in it."""
    try:
        if word not in path.read_bytes():
            return {}
    except (FileNotFoundError, IsADirectoryError):  # a virtual environment may be called so
        return {}
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error}", where=str(path)) from None
    from dotenv import dotenv_values  # most projects have no word for us in theirs

    return dotenv_values(path, interpolate=False)
