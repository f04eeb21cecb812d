"""The comparisons of `infra dev api-check` and `infra dev api-snapshot`, and their three exit codes."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import click

from infra_cli.target import Target
from infra_openapi.errors import OpenApiError
from infra_runtime.errors import InfraError
from infra_runtime.value import frozen

if TYPE_CHECKING:
    from infra_openapi.check import Policy
    from infra_openapi.report import Report
    from infra_openapi.sources import Access, Opened


#: The packages that the extra `openapi` installs.
_EXTRA = frozenset({"yaml", "jsonschema", "httpx"})
_BUG = "This is a bug: please report it with the output of `--debug`."


@frozen
class Comparison:
    """The sources of two documents to compare.

    A document is read from its source, such as a file or a URL. `name` is the name of an API that the stack
    file declares; it is empty for two documents of the command line.
    """

    name: str
    base: str
    revision: str
    directory: Path
    policy: Policy
    target: Target
    access: Access

    def read_document(self, source: str) -> Opened:
        """Read the old or the new document of this comparison from its source."""
        from infra_openapi.sources import Kind, kind_of, open_source

        if kind_of(source, self.directory) is Kind.SERVICE:
            service = open_source(service_url(source, self.target), access=self.access)
            # The report contains the name of the source instead of the URL, because the port of the URL can
            # change with each start.
            return replace(service, name=source)
        return open_source(source, directory=self.directory, access=self.access)

    def report(self, revision: Opened | None = None) -> Report:
        """Compare the old document with the new document, and return the report."""
        from infra_openapi.check import check

        self._require_snapshot()
        return check(
            self.read_document(self.base), revision or self.read_document(self.revision), self.policy
        )

    def _require_snapshot(self) -> None:
        """Raise `CompareError` if a declared API has no snapshot yet."""
        from infra_openapi.errors import CompareError
        from infra_openapi.sources import Kind, kind_of

        path = self.directory / self.base
        if self.name and kind_of(self.base, self.directory) is Kind.FILE and not path.exists():
            hint = f"Write the snapshot with `infra dev api-check --api {self.name} --update`."
            raise CompareError(os.path.relpath(path), "the snapshot does not exist", hint=hint)

    def snapshot(self) -> Path:
        """Return the snapshot, which is the file of the old document.

        Raises `CompareError` if the old document is not a file.
        """
        from infra_openapi.errors import CompareError
        from infra_openapi.sources import Kind, kind_of

        if kind_of(self.base, self.directory) is not Kind.FILE:
            raise CompareError(self.base, "the document is not a file, so no snapshot can be written to it")
        return self.directory / self.base


def comparison_of_arguments(
    base: str, revision: str, *, policy: Policy, target: Target, access: Access, accepted: Path | None
) -> Comparison:
    """Return the comparison of two documents; the arguments of the command line are their sources."""
    from infra_openapi import baseline
    from infra_openapi.sources import Kind, kind_of

    if base == revision == "-":
        raise click.UsageError("Standard input (-) can be only one of the two documents.")
    directory = target.directory or Path()
    # The default file of accepted findings is in the folder of one of the documents. For a document in a git
    # revision, this is the folder of the same path in the working tree.
    files_first = sorted((base, revision), key=lambda source: kind_of(source, directory) is not Kind.FILE)
    accepted = accepted or next(
        filter(None, (baseline.default_path(source, directory) for source in files_first)), None
    )
    return Comparison(
        name="",
        base=base,
        revision=revision,
        directory=directory,
        policy=replace(policy, accepted=accepted),
        target=target,
        access=access,
    )


def declared(
    names: Sequence[str], *, policy: Policy, target: Target, access: Access, accepted: Path | None
) -> list[Comparison]:
    """Return the comparisons for the APIs that the stack file declares; `names` selects some of them.

    Rules, a preset other than `default` and the file `accepted` on the command line have priority over those
    in the stack file.
    """
    from infra_runtime.config import declared_apis

    comparisons = []
    for api in declared_apis.declared(target.directory, names):
        api_policy = api.policy()
        merged_policy = replace(
            api_policy,
            preset=policy.preset if policy.preset != "default" else api_policy.preset,
            rules={**api_policy.rules, **policy.rules},
            accepted=accepted or api_policy.accepted,
        )
        comparisons.append(
            Comparison(
                name=api.name,
                base=api.settings.snapshot,
                revision=api.settings.source,
                directory=api.directory,
                policy=merged_policy,
                target=target,
                access=access,
            )
        )
    return comparisons


def service_url(source: str, target: Target) -> str:
    """Return the URL of a source `service:NAME/path` in the running stack; the path may be omitted.

    Raises `NoStackError` if no stack is running, and `CompareError` if the service has not been started or
    has no HTTP URL.
    """
    from infra_openapi.errors import CompareError
    from infra_runtime.messages import ENDPOINTS, Nothing

    name, _, path = source.removeprefix("service:").partition("/")
    with target.client() as client:
        endpoints = client.call(ENDPOINTS, Nothing()).services
    if name not in endpoints:
        running_services = ", ".join(sorted(endpoints)) or "none"
        raise CompareError(
            source, f"the service {name!r} is not running; running services: {running_services}"
        )
    url = endpoints[name].exports.get("url", "")
    if not url.startswith(("http://", "https://")):
        raise CompareError(source, f"the service {name} has no HTTP URL")
    return urljoin(url.rstrip("/") + "/", path or "openapi.json")


@contextlib.contextmanager
def three_exit_codes() -> Iterator[None]:
    """Exit with 2 after every error, including bugs; Ctrl-C and a closed pipe keep their exit codes.

    The exit code 1 means that the API has a breaking change.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A document can contain characters that the encoding of the terminal does not have.
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
            hint = "Install the package with `python -m pip install 'pytest-infra[openapi]'`."
            raise CouldNotCompareError(f"{error.name} is not installed", hint) from error
        # Errors caused by a full disk or too little memory are not bugs.
        hint = "" if isinstance(error, OSError | MemoryError) else _BUG
        raise CouldNotCompareError(f"{type(error).__name__}: {error}".removesuffix(": "), hint) from error


class CouldNotCompareError(InfraError):
    """Raised if a comparison has failed for another reason than an invalid document, such as a bug."""

    exit_code = 2

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason, hint)
        self.hint = hint

    def __str__(self) -> str:
        return str(self.args[0])
