"""The command `infra dev audit verify`, which checks the hashes of an audit log."""

from __future__ import annotations

import os
from pathlib import Path

import click

from infra_cli import output, usage_errors


@click.group(cls=usage_errors.Group, short_help="Check audit logs.")
def command() -> None:
    """Check the audit logs of applications that use `infra_runtime.web`.

    \b
    infra dev audit verify audit.jsonl
    """


@command.command(short_help="Check that an audit log was not changed.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--head",
    metavar="HASH",
    default="",
    help="A hash that an earlier check printed; the log must contain an entry with this hash.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
def verify(*, file: Path, head: str, as_json: bool) -> None:
    """Check that no entry of an audit log was changed, removed, added or moved.

    If a line is wrong, or the file FILE.head is missing or does not match the log, the error names the first
    wrong line, and the exit code is 15. The key of the hashes is read from the variable WEB_AUDIT_KEY. Two
    changes are not detected: a program that has this key can replace the whole log, and any program can
    replace the log and FILE.head by earlier copies. To detect this, store the printed hash on another
    machine, and give it to the next check with --head.

    \b
    Examples:
      infra dev audit verify audit.jsonl
      infra dev audit verify audit.jsonl --head "$(cat yesterday.txt)"
    """
    from infra_runtime.web import audit

    last = audit.verify(file, key=os.environ.get("WEB_AUDIT_KEY", ""), head=head)
    if as_json:
        output.say_json({"file": str(file), "entries": last.entries, "head": last.hash})
    else:
        output.say(f"{last.entries} entries are unchanged; the hash of the last entry is {last.hash}")
