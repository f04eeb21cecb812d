"""The command `infra runtime plan`, which shows the services that `infra runtime up` would start."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from infra_cli import output
from infra_cli.completion import complete_services
from infra_cli.profiles import PROFILES
from infra_cli.target import Target, target
from infra_runtime.config.masking import masked_copy
from infra_runtime.errors import InfraError, NoStackError

if TYPE_CHECKING:
    from infra_runtime.messages import Binding
    from infra_runtime.plan import Plan
    from infra_runtime.spec import ServiceSpec


@click.command(short_help="Show the services that `infra runtime up` would start.")
@click.argument("services", nargs=-1, metavar="[SERVICE…]", shell_complete=complete_services)
@click.option(
    "--profile",
    help=f"Without SERVICE: plan the services of a profile: {PROFILES}, or a profile of the stack file.",
)
@click.option(
    "--bound",
    is_flag=True,
    help="Show the ports, folders and exports of the running stack; secrets are masked.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
@target
def command(
    target: Target, *, services: tuple[str, ...], profile: str | None, bound: bool, as_json: bool
) -> None:
    """Show the services that `infra runtime up` would start, in dependency order; secrets are masked.

    No service is started. If the stack is running and the plan declares content of a service, such as
    queues, the plan is compared with the running service, except with --json. A line with `+` shows content
    that only the plan has, a line with `-` shows content that only the running service has, and a line with
    `~` shows content whose attributes differ.

    The plan contains references such as ${postgres.url} instead of values, because the same plan is used for
    local processes and for containers. The executables of the services do not have to be installed.

    \b
    Examples:
      infra runtime plan
      infra runtime plan api --env production  `api` and the services that it needs, in production
      infra runtime plan --bound               the ports and folders of the running stack
    """
    if bound:
        if services or profile:
            raise click.UsageError("--bound always shows the running stack: remove SERVICE and --profile.")
        from infra_runtime.messages import BOUND, Nothing

        with target.client() as client:
            bindings = client.call(BOUND, Nothing())
        if as_json:
            output.say_json(bindings.to_json()["services"])
            return
        for name, binding in bindings.services.items():
            _print(name, _bound(binding))
        return
    resolved = target.resolve(*services, profile=profile, executables=False).plan
    plan = masked_copy(resolved)
    if as_json:
        output.say_json(plan.to_json())
        return
    ports = "fixed ports" if plan.ports == "fixed" else "ports chosen at start"
    output.say(f"environment {plan.environment}, {ports}, project folder {plan.root}")
    differences = _differences(target, resolved)
    for spec in plan.services:
        _print(spec.name, _planned(spec, plan))
        for line in differences.get(spec.name, ()):
            output.say(f"  {line}")


def _differences(target: Target, plan: Plan) -> dict[str, list[str]]:
    """Return a mapping from service to the differences between the plan and the running service.

    The result is empty if the stack is not running. Only some kinds declare content, such as queues.
    """
    from infra_runtime import attach
    from infra_runtime.catalogue import entry

    try:
        with attach(target.paths().data, lease=False) as stack:
            endpoints = stack.endpoints()
    except NoStackError:
        return {}
    differences = {}
    for spec in plan.services:
        compare = entry(spec.kind).compare if spec.kind else None
        if compare and spec.name in endpoints:
            try:
                differences[spec.name] = [*compare(spec, endpoints[spec.name])]
            except (OSError, InfraError) as error:
                output.note(f"{spec.name} cannot be compared with the plan: {error}")
    return differences


def _print(name: str, rows: dict[str, str]) -> None:
    output.say(output.styled(name, bold=True))
    for line in output.columns(
        (f"  {output.styled(key, dim=True)}", value) for key, value in rows.items() if value
    ):
        output.say(line)


def _planned(spec: ServiceSpec, plan: Plan) -> dict[str, str]:
    without_probe = (
        "when the task has exited with 0"
        if spec.task
        else "at once; the process starts at the first connection"
        if spec.starts_on_connection
        else "at once"
    )
    offers = [offer.to_json() for offer in plan.contributions if offer.service == spec.name]
    return {
        "kind": spec.kind if spec.kind != spec.name else "",
        "image": spec.image,
        "roles": " ".join(role for role, names in plan.roles.items() if spec.name in names),
        "command": " ".join(word if "${" in word else shlex.quote(word) for word in spec.command),
        "needs": " ".join(spec.all_needs()),
        "ports": _pairs(spec.ports),
        "env": " ".join(spec.env),
        "ready": type(spec.ready).__name__.removesuffix("Probe").lower() if spec.ready else without_probe,
        "exports": " ".join(spec.exports),
        "watch": " ".join(spec.watch),
        "offers": " ".join(f"{offer['key']}={json.dumps(offer['value'])}" for offer in offers),
    }


def _bound(binding: Binding) -> dict[str, str]:
    exports = {f"exports {name}": value for name, value in binding.exports.items()}
    return {"ports": _pairs(binding.ports), "data": binding.data, "run": binding.run, **exports}


def _pairs(ports: Mapping[str, int]) -> str:
    return " ".join(f"{name}={port}" for name, port in ports.items())
