"""The command `infra dev doctor`, which checks whether this machine can run the stack."""

from __future__ import annotations

from dataclasses import asdict

import click

from infra_cli import output
from infra_cli.target import Target, target

MARKS = {"fine": ("✓", "green"), "note": ("·", None), "wrong": ("✗", "red")}
#: The width of the column with the topics. The width is a constant, because each finding is printed before
#: the next topic is known.
WIDTH = len("valkey: valkey-server")


@click.command(short_help="Check whether this machine can run the stack.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print a JSON document: a list of findings with topic, state, text and hint.",
)
@target
def command(target: Target, *, as_json: bool) -> int:
    """Check this machine: Python, executables and their versions, ports, user namespaces, disk, folders.

    If the stack is running, the command also prints each port on which a service listens, if the port is not
    one of the declared ports of the service, or if other machines can reach it.

    The exit code is 1 if a finding is an error: the stack of this directory cannot run, or other machines can
    reach a port of a service. A missing executable is only an error if a service of the stack needs it;
    otherwise it is a note.

    \b
    Example:
      infra dev doctor
    """
    from infra_cli.doctor_checks import examine

    findings = []
    for finding in examine(target):
        findings.append(finding)
        if not as_json:
            mark, colour = MARKS[finding.state]
            output.say(f"{output.styled(mark, colour)} {finding.topic:{WIDTH}}  {finding.text}")
            if finding.hint:
                output.say(f"{'':{WIDTH + 4}}{output.styled(f'hint: {finding.hint}', dim=True)}")
    if as_json:
        output.say_json([asdict(finding) for finding in findings])
    return int(any(finding.state == "wrong" for finding in findings))
