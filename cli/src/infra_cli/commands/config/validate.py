"""`infra config validate`."""

from __future__ import annotations

import click

from infra_cli import output
from infra_cli.target import Target, target
from infra_runtime.manifest import ENVIRONMENTS


@click.command(short_help="Whether the stack file can be used, in every environment.")
@click.option("--profile", help="As for `infra runtime up`.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON document.")
@target
def command(target: Target, *, profile: str | None, as_json: bool) -> None:
    """Check the stack file with all its references, for every environment or for the one of --env.

    What is wrong is told with file and line, what is allowed, and the nearest name; the exit code is 6 then.
    No executable is looked for: that is `infra dev doctor`'s business.

    \b
    Example:
      infra config validate --env production
    """
    target.note_misspelt()
    environments = (target.environment,) if target.environment else ENVIRONMENTS
    plans = {}
    for environment in environments:
        resolved = target.within(environment).resolve(profile=profile, executables=False)
        plans[environment] = [spec.name for spec in resolved.plan.services]
    file = target.stack_file()
    if as_json:
        output.say_json({"file": str(file.path) if file else None, "services": plans})
        return
    output.say(f"{file.path} is fine" if file else "no stack file; the defaults are fine")
    for line in output.columns((environment, " ".join(names)) for environment, names in plans.items()):
        output.say(line)
