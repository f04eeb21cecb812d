"""The command line as a page of Markdown: `python -m infra_cli.reference > docs/reference/cli.md`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from infra_cli.main import infra

PREFACE = """\
# The command line

<!-- written by `python -m infra_cli.reference`; a test holds it against the commands -->

`infra` finds the stack by the stack file of the working directory or above it. Nearly every command takes:

- `--directory`, to look for the stack file from elsewhere;
- `--env`, the environment (or `INFRA_ENV`, or `development`);
- `--data`, the data directory (or `INFRA_DATA`, or `.data` beside the stack file, `.data-test` in tests),
  which is what names a running stack;
- `--json`, for programs: see [what it looks like](json.md);
- `--debug`, which shows the traceback of an error. Without it an error is a message and a hint on standard
  error, and an [exit code](exit-codes.md).

Colours are for terminals alone, and `NO_COLOR` turns them off. Secrets are masked in all that is printed,
except by `infra config env --reveal`.

To have commands, options and services completed by Tab, put one of these lines into your shell's start file:

```text
eval "$(_INFRA_COMPLETE=bash_source infra)"      # ~/.bashrc
eval "$(_INFRA_COMPLETE=zsh_source infra)"       # ~/.zshrc
_INFRA_COMPLETE=fish_source infra | source       # ~/.config/fish/config.fish
```
"""


def page() -> str:
    """The whole page."""
    sections = [PREFACE]
    for group in below(click.Context(infra, info_name="infra")):
        sections.append(f"## {group.command_path}\n\n{group.command.help}\n")
        for command in leaves(group):
            sections += _section(command)
    return "\n".join(sections)


def below(context: click.Context) -> Iterator[click.Context]:
    """The commands of a group, each in a context that knows its full name; none of a command."""
    group = context.command
    if isinstance(group, click.Group):
        for name in group.list_commands(context):
            if command := group.get_command(context, name):
                yield click.Context(command, info_name=name, parent=context)


def leaves(context: click.Context) -> Iterator[click.Context]:
    """All commands below that are no groups, however deep."""
    inner = list(below(context))
    if not inner:
        yield context
    for each in inner:
        yield from leaves(each)


def _section(context: click.Context) -> Iterator[str]:
    command = context.command
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield f"### {context.command_path}\n\n```text\n{usage}\n```\n"
    yield from _prose(inspect.cleandoc(command.help or ""))
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            yield f"- {_flags(parameter)}: {' '.join((parameter.help or '').split())}"
    yield ""


def _prose(text: str) -> Iterator[str]:
    """Click's paragraphs; those behind a `\\b` stand as they are."""
    for paragraph in text.split("\n\n"):
        if paragraph.startswith("\b"):
            yield f"```text\n{paragraph.removeprefix(chr(8)).strip(chr(10))}\n```\n"
        else:
            yield f"{paragraph}\n"


def _flags(option: click.Option) -> str:
    value = "" if option.is_flag else f" {_value(option)}"
    return ", ".join(f"`{flag}{value}`" for flag in (*option.opts, *option.secondary_opts))


def _value(option: click.Option) -> str:
    if isinstance(option.type, click.Choice):
        return "|".join(map(str, option.type.choices))
    return option.metavar or option.type.name.upper()


if __name__ == "__main__":
    click.echo(page(), nl=False)
