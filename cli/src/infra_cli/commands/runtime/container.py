"""The command `infra runtime container`, which builds the image of a service and runs it."""

from __future__ import annotations

import os
import signal
import subprocess

import click

from infra_cli import output
from infra_cli.completion import complete_services
from infra_cli.target import Target, target_in
from infra_runtime.errors import ImageError


@click.command(short_help="Build the image of a service, and run it.")
@click.argument("service", shell_complete=complete_services)
@click.argument("arguments", nargs=-1, metavar="[ARGUMENT…]")
@click.option("--base", metavar="IMAGE", help="The base image, as for `infra workflows build`.")
@click.option("--python", default="", metavar="3.N", help="The version of Python. [default: the newest one]")
@click.option(
    "--runner",
    type=click.Choice(("bubblewrap", "runc", "podman")),
    help="The program that runs the image. [default: the first one that this machine allows]",
)
@click.option(
    "--check",
    is_flag=True,
    help="Stop the service and exit when its health check succeeds; without a health check or with ARGUMENT, "
    "at once.",
)
@click.option("--insecure", is_flag=True, help="Use HTTP for a registry that is not on this machine.")
@target_in("The environment of the stack. [default: production]")
def command(
    target: Target,
    *,
    service: str,
    arguments: tuple[str, ...],
    base: str | None,
    python: str,
    runner: str | None,
    check: bool,
    insecure: bool,
) -> None:
    """Build the image of one of your own services, and run it until it exits or you press Ctrl-C.

    The image runs with a read-only root file system, as its own user, without capabilities and in its own
    process namespace. bubblewrap does this without root and without a container engine; runc needs root.
    The image uses the network of this machine, so the ports of the service must be free. The variables
    that the image needs are read from the environment of this command; `infra runtime exec SERVICE --
    infra runtime container …` sets the variables of the running stack. The data of the image are removed
    at the end.

    \b
    Examples:
      infra runtime container api --base python:3.13-slim-bookworm
      infra runtime container api --base dist/base --check     in CI: exit when the service is ready
      infra runtime container api --runner podman
    """
    from infra_cli.image_request import build_images
    from infra_runtime.images.base_image import select
    from infra_runtime.images.container import prepare, wait_until_ready
    from infra_runtime.images.container_folder import container_folder
    from infra_runtime.images.runners import choose

    container_runner, program = choose(service, runner or "")
    _, (image,) = build_images(
        target,
        (service,),
        base=base,
        platforms=_platforms(),
        python=python,
        combined="",
        insecure=insecure,
        report=output.note,
    )
    missing = [name for name in image.variables if name not in os.environ]
    if missing:
        raise ImageError(
            service,
            f"the image needs these variables, which are not set: {', '.join(missing)}",
            "Set the variables in the environment of this command. `infra runtime exec SERVICE -- "
            f"infra runtime container {service}` sets the variables of a running stack.",
        )
    variables = {name: os.environ[name] for name in image.variables}
    # SIGTERM has the same effect as Ctrl-C: the service is stopped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with container_folder() as folder:
        platform_image = select(image.layout, image.image, None, service)
        container = prepare(platform_image, folder, variables)
        with container_runner.start(program, container, container.words(arguments)) as running:
            seconds = wait_until_ready(running) if not arguments else 0.0
            if seconds:
                output.note(f"{service} is ready after {seconds:.2f} s, with {container_runner.name}")
            if not check:
                _wait(service, running.process)


def _platforms() -> tuple[str, ...]:
    """Return the platform of this machine, because a base image can have several platforms.

    The result is empty if images cannot be built for this machine.
    """
    from infra_runtime.binaries import platforms

    architecture = platforms.DEBIAN_ARCHITECTURES.get(platforms.current())
    return (f"linux/{architecture}",) if architecture else ()


def _wait(service: str, process: subprocess.Popen[bytes]) -> None:
    try:
        code = process.wait()
    except KeyboardInterrupt:
        output.note(f"{service} is stopped")
        return
    output.note(f"{service} exited with {code}")
    click.get_current_context().exit(code)
