"""`infra config validate`."""

from __future__ import annotations

import click

from infra_cli import output
from infra_cli.target import Target, target
from infra_runtime.manifest import ENVIRONMENTS


@click.command(short_help="Check the stack file in every environment.")
@click.option("--profile", help="A profile, as for `infra runtime up`.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
@target
def command(target: Target, *, profile: str | None, as_json: bool) -> None:
    """Check the stack file and all its references, for every environment or for the one of --env.

    A mistake is reported with file and line, the allowed values and the most similar name; the exit code is
    6. Executables are not checked: use `infra dev doctor` for that.

    \b
    Example:
      infra config validate --env production
    """
    target.note_misspelled_variables()
    environments = (target.environment,) if target.environment else ENVIRONMENTS
    plans = {}
    for environment in environments:
        resolved = target.within(environment).resolve(profile=profile, executables=False)
        plans[environment] = [spec.name for spec in resolved.plan.services]
    file = target.stack_file()
    if as_json:
        output.say_json({"file": str(file.path) if file else None, "services": plans})
        return
    output.say(f"{file.path} is valid" if file else "no stack file found; the default stack is valid")
    for line in output.columns((environment, " ".join(names)) for environment, names in plans.items()):
        output.say(line)
