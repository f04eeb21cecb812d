"""Which stack is meant: `--directory`, `--env` and `--data`, the same for every command."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from infra_runtime.manifest import ENVIRONMENTS

if TYPE_CHECKING:
    from infra_runtime.config.resolve import Resolved
    from infra_runtime.config.stack_file import StackFile
    from infra_runtime.data_directory.paths import Paths
    from infra_runtime.engines.local.client import Client


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The stack of a directory, told without reading more of it than its place."""

    directory: Path | None
    environment: str | None
    data: Path | None

    def paths(self) -> Paths:
        """Where it keeps its things."""
        from infra_runtime.config.resolve import data_directory
        from infra_runtime.data_directory.paths import Paths

        found = data_directory(self.directory, environment=self.environment, data=self.data)
        return Paths(str(found))

    def client(self) -> closing[Client]:
        """A connection to its supervisor, for a `with`. Raises `NoStackError` when there is none."""
        from infra_runtime.engines.local.client import Client

        return closing(Client.connect(self.paths()))

    def within(self, environment: str) -> Target:
        """The same in another environment."""
        return replace(self, environment=environment)

    def stack_file(self) -> StackFile | None:
        """The stack file, if there is one."""
        from infra_runtime.config import stack_file

        return stack_file.find((self.directory or Path.cwd()).resolve())

    def own_services(self) -> dict[str, dict[str, Any]]:
        """The tables of the stack file's `[services]`, as they stand there."""
        file = self.stack_file()
        services = file.values.get("services") if file else None
        return services if isinstance(services, dict) else {}

    def note_misspelt(self) -> None:
        """Tell of variables that nobody reads, and that nearly are ours."""
        from infra_cli import output
        from infra_runtime.config.unknown_variables import misspelled_variables

        for found in misspelled_variables(self.directory):
            output.note(str(found))

    def resolve(self, *names: str, **options: Any) -> Resolved:
        """Its plan, and where that came from."""
        from infra_runtime.config.resolve import resolve

        return resolve(
            names, directory=self.directory, environment=self.environment, data=self.data, **options
        )


def target(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the three options, as its first parameter `target`."""

    @click.option(
        "--data",
        type=click.Path(path_type=Path, file_okay=False),
        help="The data directory, which names the stack.  [default: .data, or .data-test in tests]",
    )
    @click.option(
        "-C",
        "--directory",
        type=click.Path(path_type=Path, file_okay=False, exists=True),
        help="Look for the stack file from here, and not from the current directory.",
    )
    @click.option(
        "--env", "environment", type=click.Choice(ENVIRONMENTS), help="The environment.  [INFRA_ENV]"
    )
    @functools.wraps(command)
    def with_target(
        *args: Any, directory: Path | None, environment: str | None, data: Path | None, **kwargs: Any
    ) -> Any:
        return command(Target(directory=directory, environment=environment, data=data), *args, **kwargs)

    return with_target
