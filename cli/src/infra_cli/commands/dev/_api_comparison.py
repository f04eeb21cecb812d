"""The comparisons that `api-check` and `api-snapshot` are asked for, and their three exit codes."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import click

from infra_cli.target import Target
from infra_openapi.errors import OpenApiError
from infra_runtime.errors import InfraError

if TYPE_CHECKING:
    from infra_openapi.check import Policy
    from infra_openapi.report import Report
    from infra_openapi.sources import Access, Opened


#: what the bare install lacks
_EXTRA = frozenset({"yaml", "jsonschema", "httpx"})
_OURS = "This is a mistake of ours: please report it, with what `--debug` shows."


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two sources to compare; `name` is empty for two from the command line."""

    name: str
    base: str
    revision: str
    directory: Path
    policy: Policy
    target: Target
    access: Access

    def opened(self, source: str) -> Opened:
        """Read one of the two."""
        from infra_openapi.sources import Kind, kind_of, open_source

        if kind_of(source, self.directory) is Kind.SERVICE:
            found = open_source(service_url(source, self.target), access=self.access)
            # The port differs each time; the name does not.
            return replace(found, name=source)
        return open_source(source, directory=self.directory, access=self.access)

    def report(self, revision: Opened | None = None) -> Report:
        """Compare them."""
        from infra_openapi.check import check

        return check(self.opened(self.base), revision or self.opened(self.revision), self.policy)

    def snapshot(self) -> Path:
        """Return the file of the base. Raises `CompareError` where the base is not a file."""
        from infra_openapi.errors import CompareError
        from infra_openapi.sources import Kind, kind_of

        if kind_of(self.base, self.directory) is not Kind.FILE:
            raise CompareError(self.base, "is no file, so it cannot be updated")
        return self.directory / self.base


def given(
    base: str, revision: str, *, policy: Policy, target: Target, access: Access, accepted: Path | None
) -> Comparison:
    """The comparison of two sources from the command line."""
    from infra_openapi import baseline
    from infra_openapi.sources import Kind, kind_of

    if base == revision == "-":
        raise click.UsageError("Standard input can be one of the two documents, not both.")
    home = target.directory or Path()
    # A file of the working tree has its accepted findings beside it, sooner than one in an old revision.
    by_nearness = sorted((base, revision), key=lambda source: kind_of(source, home) is not Kind.FILE)
    found = accepted or next(filter(None, (baseline.beside(source, home) for source in by_nearness)), None)
    return Comparison(
        name="",
        base=base,
        revision=revision,
        directory=home,
        policy=replace(policy, accepted=found),
        target=target,
        access=access,
    )


def declared(
    names: Sequence[str], *, policy: Policy, target: Target, access: Access, accepted: Path | None
) -> list[Comparison]:
    """Return the comparisons that the stack file declares, with the rules of the command line on top."""
    from infra_runtime.config import declared_apis

    found = []
    for api in declared_apis.declared(target.directory, names):
        own = api.policy()
        chosen = replace(
            own,
            preset=policy.preset if policy.preset != "default" else own.preset,
            rules={**own.rules, **policy.rules},
            accepted=accepted or own.accepted,
        )
        found.append(
            Comparison(
                name=api.name,
                base=api.settings.snapshot,
                revision=api.settings.source,
                directory=api.directory,
                policy=chosen,
                target=target,
                access=access,
            )
        )
    return found


def service_url(source: str, target: Target) -> str:
    """`service:NAME/path` as the URL at which the running stack answers."""
    from infra_openapi.errors import CompareError
    from infra_runtime.messages import ENDPOINTS, Nothing

    name, _, path = source.removeprefix("service:").partition("/")
    with target.client() as client:
        endpoints = client.call(ENDPOINTS, Nothing()).services
    if name not in endpoints:
        known = ", ".join(sorted(endpoints)) or "none"
        raise CompareError(source, f"no service {name!r} runs here; there are: {known}")
    url = endpoints[name].exports.get("url", "")
    if not url.startswith(("http://", "https://")):
        raise CompareError(source, f"{name} is no HTTP service")
    return urljoin(url.rstrip("/") + "/", path or "openapi.json")


@contextlib.contextmanager
def three_exit_codes() -> Iterator[None]:
    """End with 2 on every error, a bug included: 1 means that the API breaks, and nothing else."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A document may hold what the terminal's encoding does not.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError, OpenApiError):
        raise
    except InfraError as error:
        if error.exit_code == CouldNotCompareError.exit_code:
            raise
        raise CouldNotCompareError(str(error), error.hint) from error
    except Exception as error:
        if isinstance(error, ImportError) and error.name in _EXTRA:
            hint = "Install it with `python -m pip install 'pytest-infra[openapi]'`."
            raise CouldNotCompareError(f"{error.name} is not installed", hint) from error
        # A full disk or too little memory is not a bug.
        ours = "" if isinstance(error, OSError | MemoryError) else _OURS
        raise CouldNotCompareError(f"{type(error).__name__}: {error}".removesuffix(": "), ours) from error


class CouldNotCompareError(InfraError):
    """An error that ended a comparison, where it is not a `CompareError`."""

    exit_code = 2

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason, hint)
        self.hint = hint

    def __str__(self) -> str:
        return str(self.args[0])
