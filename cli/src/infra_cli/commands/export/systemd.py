"""The command `infra export systemd`, which writes a systemd unit for each service."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from infra_cli import exports
from infra_cli.exports import Export, export_options
from infra_cli.target import Target, target

FOLDER = "systemd"


@click.command(short_help="Write the stack as systemd units.")
@click.option("--user", is_flag=True, help="Write units for your own service manager, `systemctl --user`.")
@export_options(FOLDER)
@target
def command(target: Target, export: Export, *, user: bool) -> None:
    """Write the stack as systemd units.

    Each service has a unit, and the target of the stack starts all units. A unit starts when the services
    that it needs are ready. The services run as a user without privileges, and can write only to temporary
    folders and to the folders of the stack in /var/lib, /var/cache and /run; with --user, they run as you.
    The units contain the absolute paths of the project and of its executables, so run this command on the
    machine on which the units run. Variables, such as those with secrets, are read from the file
    /etc/STACK.env; with --user, from ~/.config/STACK.env.

    \b
    Examples:
      infra export systemd --env production
      infra export systemd --user --output ~/.config/my-stack
    """
    from infra_runtime.engines.machine import Systemd
    from infra_runtime.engines.project import project_name
    from infra_runtime.engines.references import host_name

    resolved = target.resolve(*export.services, profile=export.profile, variables_required=False)
    root = Path(resolved.plan.root)
    folder = export.target_folder(root, FOLDER)
    stack = host_name(project_name(root))
    engine = Systemd(stack=stack, folder=str(folder), binaries=resolved.binaries, user=user)
    with exports.checked([resolved]):
        files = engine.render(resolved.plan)
    options = "--user " if user else ""
    units = shlex.quote(f"{folder}/{stack}")
    start = f"systemctl {options}enable --now {units}-*.service {units}.target"
    exports.write(engine.name, export, folder, files, start=start)
