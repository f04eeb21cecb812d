"""The command `infra config env`, which prints the addresses of the running stack as shell variables."""

from __future__ import annotations

import shlex

import click

from infra_cli import output
from infra_cli.target import Target, target
from infra_runtime.engines.variables import program_variables
from infra_runtime.messages import BOUND, ENDPOINTS, Nothing


@click.command(short_help="Print the addresses of the running stack as shell variables.")
@click.option("--reveal", is_flag=True, help="Also print the variables that contain secrets.")
@click.option(
    "--json", "as_json", is_flag=True, help=("Print a JSON document with variables and their values.")
)
@target
def command(target: Target, *, reveal: bool, as_json: bool) -> None:
    """Print the addresses of the running stack as `export` lines for a shell.

    The variables are the addresses that `infra runtime exec` sets; variables of a single service, INFRA_ENV
    and INFRA_DATA are not printed. Without --reveal, a variable that contains a secret (such as a password)
    is printed as a comment, and the secret is masked: the shell does not set a wrong password, and logs do
    not contain the real password. In JSON, the value of such a variable is null without --reveal.

    \b
    Example:
      eval "$(infra config env --reveal)"
    """
    target.note_misspelled_variables()
    with target.client() as client:
        masked = program_variables(client.call(BOUND, Nothing()).services)
        clear = program_variables(client.call(ENDPOINTS, Nothing()).services)
    if as_json:
        output.say_json(
            {name: value if reveal or masked[name] == value else None for name, value in clear.items()}
        )
        return
    for name, value in clear.items():
        if reveal or masked[name] == value:
            output.say(f"export {name}={shlex.quote(value)}")
        else:
            output.say(f"# {name}={masked[name]}  (--reveal)")
