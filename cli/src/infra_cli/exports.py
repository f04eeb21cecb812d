"""The options of the commands `infra export …`, and their output about the exported files."""

from __future__ import annotations

import contextlib
import functools
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from infra_cli import output
from infra_cli.completion import complete_services
from infra_cli.profiles import PROFILES
from infra_cli.target import Target
from infra_runtime.errors import ConfigurationError, ExportError
from infra_runtime.value import frozen

if TYPE_CHECKING:
    from infra_runtime.config.resolve import Resolved


@frozen
class Export:
    """The options that every command `infra export …` has."""

    services: tuple[str, ...]
    profile: str | None
    #: the folder of the option `--output`; None if the option is missing
    folder: Path | None
    check: bool
    force: bool
    as_json: bool

    def target_folder(self, root: Path, default: str) -> Path:
        """Return the folder for the files: `--output`, or the folder `default` next to the stack file."""
        return (self.folder or root / default).absolute()


def export_options(default: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the argument and the options of an export to a command. The command receives an `Export`.

    `default` is the default of `--output`, the folder for the files.
    """

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        @click.argument("services", nargs=-1, metavar="[SERVICE…]", shell_complete=complete_services)
        @click.option(
            "--profile",
            help=(
                f"Without SERVICE: export the services of a profile: {PROFILES}, or a profile of the stack "
                "file."
            ),
        )
        @click.option(
            "-o",
            "--output",
            "folder",
            type=click.Path(path_type=Path, file_okay=False),
            help=f"The folder in which the files are written. [default: {default}, beside the stack file]",
        )
        @click.option(
            "--check",
            is_flag=True,
            help="Do not write files; exit with 13 if a file would change. This option is for CI.",
        )
        @click.option(
            "--force", is_flag=True, help="Also overwrite files that this command did not generate."
        )
        @click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
        @functools.wraps(command)
        def with_export(
            *args: Any,
            services: tuple[str, ...],
            profile: str | None,
            folder: Path | None,
            check: bool,
            force: bool,
            as_json: bool,
            **kwargs: Any,
        ) -> Any:
            if check and force:
                raise click.UsageError(
                    "--check cannot be used with --force, because --check does not write files."
                )
            export = Export(
                services=services, profile=profile, folder=folder, check=check, force=force, as_json=as_json
            )
            return command(*args, export, **kwargs)

        return with_export

    return add


def resolve_environments(target: Target, export: Export, environments: Sequence[str]) -> list[Resolved]:
    """Return the stack of the environment `--env`; without `--env`, the stacks of all `environments`."""
    return [
        target.within(environment).resolve(
            *export.services, profile=export.profile, executables=False, variables_required=False
        )
        for environment in ((target.environment,) if target.environment else environments)
    ]


@contextlib.contextmanager
def checked(stacks: Sequence[Resolved]) -> Iterator[None]:
    """Check the stacks for secrets in plain text, and add file and line to errors about settings.

    The secrets are checked before the `with` block runs; in development and test, secrets in the stack file
    are accepted. The file and the line of the setting, if it is in the stack file, are added to a
    `ConfigurationError` that the block raises.
    """
    from infra_runtime.engines.project import check_secrets, located

    check_secrets(stacks)
    try:
        yield
    except ConfigurationError as error:
        raise located(error, stacks) from None


def write(
    engine: str,
    export: Export,
    folder: Path,
    files: Mapping[str, str],
    *,
    secrets: Sequence[str] = (),
    secrets_folder: str = "",
    notes: Sequence[str] = (),
    start: str = "",
    complete: bool = True,
) -> None:
    """Write the files of an export to a folder, and print their changes; `files` maps relative path to text.

    With `--check`, the files are only compared. `secrets` are the names of the files with random content in
    the folder `secrets_folder`, by default `secrets`; existing secret files are not changed. `start` is the
    command that starts the stack. If `complete` is false, generated files of other exports stay in the
    folder.

    Raises `ExportError` if a file cannot be written, or, with `--check`, is not up to date.
    """
    from infra_runtime.engines import output as files_on_disk

    secrets_folder = secrets_folder or files_on_disk.SECRETS
    created_secrets: Sequence[str] = []
    if export.check:
        changes = files_on_disk.changes(folder, files, engine, complete=complete)
    else:
        changes = files_on_disk.write(folder, files, engine, force=export.force, complete=complete)
        created_secrets = files_on_disk.make_secrets(folder / secrets_folder, secrets)
    if export.as_json:
        states = [{"path": change.path, "state": change.state} for change in changes]
        document = {
            "folder": str(folder),
            "files": states,
            "secrets": list(created_secrets),
            "notes": list(notes),
        }
        output.say_json(document)
    else:
        removed = "stale" if export.check else "removed"
        rows = [(removed if change.state == "stale" else change.state, change.path) for change in changes]
        rows += [("created", f"{secrets_folder}/{name}") for name in created_secrets]
        for line in output.columns([(state, str(display_path(folder / path))) for state, path in rows]):
            output.say(line)
        for note in notes:
            output.note(note)
    outdated_paths = [change.path for change in changes if change.state != "unchanged"]
    if export.check and outdated_paths:
        problem = f"these files are not up to date: {', '.join(outdated_paths)}"
        raise ExportError(str(folder), problem, f"Run `infra export {engine}` to update them.")
    if start and not export.check and not export.as_json:
        output.say(f"Start the exported stack with `{start}`.")


def display_path(path: Path) -> Path:
    """Return a path for output: relative to the working directory if inside it, otherwise unchanged."""
    cwd = Path.cwd()
    return path.relative_to(cwd) if path.is_relative_to(cwd) else path


def quoted(path: Path) -> str:
    """Return a path for output as one word of a shell command."""
    return shlex.quote(str(display_path(path)))
