"""`Request`, a request for a stack, and `Resolved`, its result: a plan and the values that it needs."""

from __future__ import annotations

import codecs
import contextlib
import io
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from infra_runtime.binaries import BinarySearch
from infra_runtime.config import stack_file
from infra_runtime.config.layers import Origin
from infra_runtime.config.stack_file import StackFile
from infra_runtime.errors import ConfigurationError, nearest
from infra_runtime.manifest import ENVIRONMENTS
from infra_runtime.plan import Plan
from infra_runtime.value import frozen

#: UTF-8; a byte order mark at the beginning, which some editors write, is ignored
DOTENV_ENCODING = "utf-8-sig"


@frozen
class Resolved:
    """A resolved request: a plan, and all other values that an engine needs to run or export the plan.

    `variables` can contain secrets; in `provenance`, secrets are masked.
    """

    plan: Plan
    data: Path
    #: NAME → path, for the plan's `${bin.NAME}`
    binaries: Mapping[str, str]
    #: NAME → value, for the plan's `${env.NAME}`
    variables: Mapping[str, str]
    stack_file: Path | None
    #: dotted key → its value, with secrets masked, and its source
    provenance: Mapping[str, Origin]
    #: whether the data of the services are in RAM in the environment `test`, if enough memory is free
    tmpfs: bool = True
    #: lines for the user who starts the stack
    remarks: tuple[str, ...] = ()

    @property
    def environment(self) -> str:
        """The name of the plan's environment, such as `test`."""
        return self.plan.environment

    def table(self, service: str) -> dict[str, Any]:
        """Return the settings of a service that a source sets, without nested tables and masked values."""
        prefix = f"services.{service}."
        table = {}
        for key, origin in self.provenance.items():
            name = key.removeprefix(prefix)
            if key.startswith(prefix) and "." not in name and origin.source != "default":
                with contextlib.suppress(ValueError):  # a masked value is not JSON
                    table[name] = json.loads(origin.value)
        return table


@frozen
class Request:
    """A request to resolve a stack, with the chosen environment, stack file, folder and data directory."""

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
    #: whether the variables must be set now; false for exports, which read them at the start of the stack
    variables_required: bool = True


def make_resolved(
    request: Request,
    plan: Plan,
    programs: Iterable[BinarySearch],
    provenance: Mapping[str, Origin],
    *,
    tmpfs: bool,
    remarks: tuple[str, ...] = (),
) -> Resolved:
    """Return the result for a request, with the paths of executables and the values of variables.

    `programs` contains the results of the searches for executables, also for missing executables. Raises
    `ConfigurationError` if a required variable is not set.
    """
    return Resolved(
        plan=plan,
        data=request.data,
        binaries={program.name: program.path for program in programs if program.path},
        variables=variables(plan, request),
        stack_file=request.file.path if request.file else None,
        provenance=provenance,
        tmpfs=tmpfs,
        remarks=remarks,
    )


def variables(plan: Plan, request: Request) -> dict[str, str]:
    """Return a mapping from the name in each `${env.NAME}` of a plan to its value in this process or `.env`.

    Raises `ConfigurationError` if a variable is required and is not set.
    """
    names = sorted(plan.environment_names())
    values: dict[str, str | None] = {name: os.environ.get(name) for name in names}
    if None in values.values():
        dotenv = read_dotenv(request.root / ".env", b"")
        values = {name: dotenv.get(name) if value is None else value for name, value in values.items()}
    for name, value in values.items():
        if request.variables_required and value is None and (user := _user(plan, f"env.{name}")):
            raise ConfigurationError(
                f"{user} refers to ${{env.{name}}}, but the variable {name} is not set",
                where=request.file.where(("services", user)) if request.file else "",
                hint=f"Set {name} as an environment variable or in .env, or write a default: "
                f"${{env.{name}:-…}}.",
            )
    return {name: value for name, value in values.items() if value is not None}


def _user(plan: Plan, reference: str) -> str:
    users = (spec.name for spec in plan.services if reference in spec.references)
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
    """Return a request for a stack; arguments that are None are replaced by their defaults.

    Raises `ConfigurationError` for an unknown environment, or if a file cannot be read.
    """
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
        problem = f"unknown environment {chosen!r}{nearest(chosen, ENVIRONMENTS)}"
        raise ConfigurationError(problem, where=source)
    folder, data_source = _first(
        (str(data) if data else None, "--data"),
        (os.environ.get("INFRA_DATA"), "INFRA_DATA"),
        (dotenv.get("INFRA_DATA"), f"{root / '.env'}: INFRA_DATA"),
        (str(root / (".data-test" if chosen == "test" else ".data")), "default"),
    )
    path = Path(folder).expanduser()
    if not path.is_absolute():
        # A path in `.env` is relative to that file; any other path is relative to the current directory.
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
    """Return the variables in a file `.env`; if it is missing or does not contain `word`, an empty mapping.

    Raises `ConfigurationError` if the file cannot be read or is not UTF-8.
    """
    try:
        content = path.read_bytes()
    except (FileNotFoundError, IsADirectoryError):  # a virtual environment may be named `.env`
        return {}
    except OSError as error:
        raise ConfigurationError(f"the file cannot be read: {error}", where=str(path)) from None
    encodings = ("ascii", "utf-16-le", "utf-16-be")  # a UTF-16 file with the word is an error with a hint
    if not any(word.decode("ascii").encode(encoding) in content for encoding in encodings):
        return {}
    text = dotenv_text(path, content)
    from dotenv import dotenv_values  # imported late: most `.env` files have no variable of pytest-infra

    return dotenv_values(stream=io.StringIO(text), interpolate=False)


def dotenv_text(path: Path, content: bytes) -> str:
    """Return the content of a file `.env` as text.

    Raises `ConfigurationError` with the line number if a line is not UTF-8.
    """
    hint = "Save the file as UTF-8."
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in content:
        raise ConfigurationError("the file is UTF-16, not UTF-8", where=f"{path}:1", hint=hint)
    try:
        return content.decode(DOTENV_ENCODING)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problem = f"the file is not UTF-8: the byte 0x{content[error.start]:02x}"
        raise ConfigurationError(problem, where=f"{path}:{line}", hint=hint) from None
