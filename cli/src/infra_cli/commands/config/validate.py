"""The command `infra config validate`, which checks the stack file."""

from __future__ import annotations

import click

from infra_cli import output
from infra_cli.profiles import PROFILES
from infra_cli.target import Target, target_in
from infra_runtime.manifest import ENVIRONMENTS


@click.command(short_help="Check the stack file in every environment.")
@click.option(
    "--profile",
    help=f"Check only the services of a profile: {PROFILES}, or a profile of the stack file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
@target_in("The environment to check. [default: all environments]")
def command(target: Target, *, profile: str | None, as_json: bool) -> None:
    """Check the stack file and its references, in every environment or in the environment of --env.

    If the stack file has an error, the command prints it, with file and line if it belongs to one setting,
    and the exit code is 6; for an unknown name, it also prints the most similar name or the allowed names.
    Further errors can appear only after this error is corrected: the check of an environment can end at its
    first error, and then the other environments are not checked. The command does not check whether
    executables are installed: use `infra dev doctor` for this check.

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
