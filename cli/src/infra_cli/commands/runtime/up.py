"""The command `infra runtime up`, which starts the stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from infra_cli.completion import complete_services
from infra_cli.profiles import PROFILES
from infra_cli.target import Target, target

if TYPE_CHECKING:
    from infra_cli.foreground import UpOptions


def _names(_context: click.Context, _parameter: click.Parameter, texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.strip() for text in texts for name in text.split(",") if name.strip())


@click.command(short_help="Start the stack; Ctrl-C stops it.")
@click.argument("services", nargs=-1, metavar="[SERVICE…]", shell_complete=complete_services)
@click.option(
    "--profile",
    help=f"Without SERVICE: start the services of a profile: {PROFILES}, or a profile of the stack file.",
)
@click.option(
    "--only", multiple=True, metavar="NAME[,NAME…]", callback=_names, shell_complete=complete_services,
    help=(
        "Start only these services, separated by commas, and the services that they need (the same as "
        "SERVICE)."
    ),
)  # fmt: skip
@click.option(
    "--skip", multiple=True, metavar="NAME[,NAME…]", callback=_names, shell_complete=complete_services,
    help=(
        "Do not start these services, separated by commas. A service that needs one of them is an error, "
        "unless it is skipped, too."
    ),
)  # fmt: skip
@click.option(
    "-d",
    "--detach",
    is_flag=True,
    help="Return when all services are ready; the stack runs until `infra runtime down`.",
)
@click.option(
    "--wait/--no-wait",
    default=True,
    help="With --detach: return when all services are ready, or immediately. [default: wait]",
)
@click.option(
    "--watch", is_flag=True, help=("Restart a service when a file changes that matches its `watch` patterns.")
)
@click.option(
    "--install",
    is_flag=True,
    help="Install missing programs and images without asking. [env var: INFRA_INSTALL]",
)
@click.option("--json", "as_json", is_flag=True, help="Print all events and results as lines of JSON.")
@target
def command(
    target: Target,
    *,
    services: tuple[str, ...],
    profile: str | None,
    only: tuple[str, ...],
    skip: tuple[str, ...],
    detach: bool,
    wait: bool,
    watch: bool,
    install: bool,
    as_json: bool,
) -> int:
    """Start the stack of this directory, and print the addresses of its services.

    Without SERVICE, the command starts the services of the setting `profile` or `use` in the stack file, or,
    without these settings, the services of the profile `full`. With SERVICE, the command starts the given
    services and the services that they need. Ctrl-C stops the stack and verifies that no process, port or
    socket is left; pressing Ctrl-C again kills all processes immediately. If a service fails to start, the
    whole stack is stopped, except with --watch. A stack that other clients use, or that was detached, keeps
    running in both cases.

    If programs that `infra bin` can install are missing, or if images of services are missing, the command
    asks in a terminal whether to install them. Without a terminal, in CI and with --json, the command does
    not ask, and installs them only with --install or INFRA_INSTALL=1.

    \b
    Examples:
      infra runtime up                        the whole stack, in the foreground
      infra runtime up postgres nats          two services, and the services that they need
      infra runtime up --detach               in the background; `infra runtime down` stops it
      infra runtime up --env test --skip caddy
    """
    if not wait and not detach:
        raise click.UsageError("--no-wait can only be used with --detach.")
    if watch and detach:
        raise click.UsageError(
            "--watch cannot be used with --detach: the command must keep running to watch the files."
        )
    from infra_cli.foreground import UpOptions
    from infra_runtime.errors import BinaryMissingError

    names = (*services, *only)
    options = UpOptions(names=names, profile=profile, skip=skip, detach=detach, wait=wait, watch=watch)
    try:
        return _run(target, options, install=install, as_json=as_json)
    except BinaryMissingError as error:
        from infra_cli.installation_question import install_missing

        plan = target.resolve(*names, profile=profile, skip=skip, executables=False)
        if not install_missing(plan, error, allowed=install, may_ask=not as_json):
            raise
    return _run(target, options, install=install, as_json=as_json)


def _run(target: Target, options: UpOptions, *, install: bool, as_json: bool) -> int:
    """Run the stack, and return the exit code.

    If images are missing and their download is allowed, download them, and run the stack again.
    """
    from infra_cli.foreground import run
    from infra_runtime.errors import ImageMissingError

    try:
        return run(target, options, as_json=as_json)
    except ImageMissingError:
        from infra_cli.installation_question import pull_missing

        plan = target.resolve(*options.names, profile=options.profile, skip=options.skip)
        if not pull_missing(plan, allowed=install, may_ask=not as_json):
            raise
    return run(target, options, as_json=as_json)
