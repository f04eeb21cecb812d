"""The options `--directory`, `--env` and `--data`, which select the stack of a command."""

from __future__ import annotations

import functools
import os
import shlex
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from infra_cli import output
from infra_runtime.errors import NoStackError
from infra_runtime.manifest import ENVIRONMENTS
from infra_runtime.value import frozen

if TYPE_CHECKING:
    from infra_runtime.config.resolve import Resolved
    from infra_runtime.config.stack_file import StackFile
    from infra_runtime.data_directory.paths import Paths
    from infra_runtime.engines.local.client import Client


@frozen
class Target:
    """The stack that the options of a command select.

    The methods read the configuration of the stack; nothing is read before a method is called.
    """

    directory: Path | None
    environment: str | None
    data: Path | None

    def paths(self) -> Paths:
        """Return the paths in the data directory of the stack."""
        from infra_runtime.config.resolve import data_directory
        from infra_runtime.data_directory.paths import Paths

        return Paths(str(data_directory(self.directory, environment=self.environment, data=self.data)))

    def client(self) -> closing[Client]:
        """Return a connection to the supervisor of the stack, to be used in a `with` statement.

        Raises `NoStackError` if the stack is not running.
        """
        return closing(self.connect())

    def connect(self) -> Client:
        """Return a connection to the supervisor of the stack.

        Raises `NoStackError` if the stack is not running; the hint names other running stacks of the project.
        """
        from infra_runtime.engines.local.client import Client

        try:
            return Client.connect(self.paths())
        except NoStackError as error:
            error.hint = " ".join(map(describe_stack, self.other_stacks())) or error.hint
            raise

    def other_stacks(self) -> list[str]:
        """Return the data directories of the project's other running stacks, such as a warm stack.

        Only the default data directories, and the separate test stacks in them, are searched.
        """
        from infra_runtime.data_directory.paths import Paths, plan_folders
        from infra_runtime.host import file_lock

        file = self.stack_file()
        root = file.path.parent if file else (self.directory or Path.cwd()).resolve()
        parents = [root / name for name in (".data", ".data-test")]
        folders = [folder for parent in parents for folder in (parent, *plan_folders(parent))]
        stacks = []
        for paths in (Paths(str(folder)) for folder in folders):
            with suppress(OSError):  # a folder of another user cannot be a stack of this user
                if paths.data != self.paths().data and file_lock.is_held(paths.lock):
                    stacks.append(paths.data)
        return stacks

    def options(self, command: str) -> str:
        """Return the options that select this stack in any terminal; empty if no option is needed."""
        variables = {"INFRA_ENV", "INFRA_DATA"} & os.environ.keys()
        if not (self.directory or self.environment or self.data or variables):
            return ""
        words = ["--data", self.paths().data]
        if command == "up":
            words += ["-C", str(self.directory.resolve())] if self.directory else []
            environment = self.environment or os.environ.get("INFRA_ENV")
            words += ["--env", environment] if environment else []
        return shlex.join(words)

    def within(self, environment: str) -> Target:
        """Return a target that selects the stack of the same directory in another environment."""
        return replace(self, environment=environment)

    def stack_file(self) -> StackFile | None:
        """Return the stack file of the selected directory; None if no stack file exists."""
        from infra_runtime.config import stack_file

        return stack_file.find((self.directory or Path.cwd()).resolve())

    def service_tables(self) -> dict[str, dict[str, Any]]:
        """Return the tables below `services` as they are in the stack file."""
        file = self.stack_file()
        services = file.values.get("services") if file else None
        return services if isinstance(services, dict) else {}

    def note_misspelled_variables(self) -> None:
        """Print a note for each environment variable whose name is a misspelled variable of pytest-infra."""
        from infra_runtime.config.unknown_variables import misspelled_variables

        for variable in misspelled_variables(self.directory):
            output.note(str(variable))

    def resolve(self, *names: str, **options: Any) -> Resolved:
        """Return the resolved plan of the selected stack.

        If `names` is given, the plan contains only these services, the services that they need, and those
        whose contributions they use.
        """
        from infra_runtime.config.resolve import resolve

        return resolve(
            names, directory=self.directory, environment=self.environment, data=self.data, **options
        )


def describe_stack(data: str) -> str:
    """Return a sentence about another running stack, with the commands that show and stop this stack."""
    option = shlex.join(["--data", data])
    return (
        f"A stack is running in {data}: `infra runtime status {option}` shows it, "
        f"`infra runtime down {option}` stops it."
    )


def target(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options `--directory`, `--env` and `--data` to a command.

    The command receives a `Target` as its first argument.
    """
    return target_in("The environment of the stack. [env var: INFRA_ENV] [default: development]")(command)


def target_in(help_of_environment: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator like `target`, for a command whose option `--env` has another help text."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        @click.option(
            "--data",
            type=click.Path(path_type=Path, file_okay=False),
            help=(
                "The data directory, which identifies the stack. [env var: INFRA_DATA] "
                "[default: .data beside the stack file; .data-test in the environment test]"
            ),
        )
        @click.option(
            "-C",
            "--directory",
            type=click.Path(path_type=Path, file_okay=False, exists=True),
            help=(
                "The directory in which the search for the stack file begins; the search continues in the "
                "directories above it. [default: the working directory]"
            ),
        )
        @click.option("--env", "environment", type=click.Choice(ENVIRONMENTS), help=help_of_environment)
        @functools.wraps(command)
        def with_target(
            *args: Any, directory: Path | None, environment: str | None, data: Path | None, **kwargs: Any
        ) -> Any:
            selected = Target(directory=directory, environment=environment, data=data)
            output.select_stack(selected.options)
            return command(selected, *args, **kwargs)

        return with_target

    return add
