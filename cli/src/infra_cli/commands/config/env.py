"""`infra config env`."""

from __future__ import annotations

import shlex

import click

from infra_cli import output
from infra_cli.target import Target, target
from infra_runtime.engines.variables import program_variables
from infra_runtime.messages import BOUND, ENDPOINTS, Nothing


@click.command(short_help="The running stack's addresses, for the shell.")
@click.option("--reveal", is_flag=True, help="Print secrets too.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON document: variable → value.")
@target
def command(target: Target, *, reveal: bool, as_json: bool) -> None:
    """The running stack's addresses as lines that a shell can read: the variables that `exec` gives.

    Without --reveal a value that holds a secret is a comment with the secret masked: a shell that reads it
    gets no variable, rather than one with a wrong password, and no log gets the secret. In JSON it is null.

    \b
    Example:
      eval "$(infra config env --reveal)"
    """
    target.note_misspelt()
    with target.client() as client:
        shown = program_variables(client.call(BOUND, Nothing()).services)
        clear = program_variables(client.call(ENDPOINTS, Nothing()).services)
    if as_json:
        output.say_json(
            {name: value if reveal or shown[name] == value else None for name, value in clear.items()}
        )
        return
    for name, value in clear.items():
        if reveal or shown[name] == value:
            output.say(f"export {name}={shlex.quote(value)}")
        else:
            output.say(f"# {name}={shown[name]}  (--reveal)")
