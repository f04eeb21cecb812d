"""`infra dev doctor`."""

from __future__ import annotations

from dataclasses import asdict

import click

from infra_cli import output
from infra_cli.target import Target, target

MARKS = {"fine": ("✓", "green"), "note": ("·", None), "wrong": ("✗", "red")}
#: as wide as the longest topic, for findings are told one by one
WIDTH = len("valkey: valkey-server")


@click.command(short_help="Whether this machine can run the stack, and what to do if not.")
@click.option(
    "--json", "as_json", is_flag=True, help="As a JSON document: a list of topic, state, text, hint."
)
@target
def command(target: Target, *, as_json: bool) -> int:
    """Look at this machine: Python, programs and their versions, ports, user namespaces, disk, folders.

    Exit code 1 says that something is wrong for the stack of this directory. What is missing for services
    that the stack does not have is noted, and no error.

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
