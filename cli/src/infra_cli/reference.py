"""Write the reference of the command line: `python -m infra_cli.reference > docs/reference/cli.md`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from infra_cli.main import infra

PREFACE = """\
# The command line

<!-- written by `python -m infra_cli.reference`; a test compares it with the commands -->

`infra` uses the stack file in the working directory or the nearest directory above it. Most commands
have these options:

- `--directory` sets the directory in which the search for the stack file begins.
- `--env` sets the environment (default: `INFRA_ENV`, or `development`; a few commands have another default).
- `--data` sets the data directory (default: `INFRA_DATA`, or `.data` beside the stack file, `.data-test` in
  tests). The data directory identifies a running stack.
- `--json` prints JSON for programs; its format is in [JSON output](json.md).
- `--debug` prints the Python traceback of an error before its message.

If a command fails, it prints a message and a hint on standard error, and exits with the
[exit code](exit-codes.md) of the error.

Colours are printed only in terminals; the environment variable `NO_COLOR` disables them. Secrets of the stack
are masked in the output of all commands except `infra config env --reveal`, `infra runtime open` with
`--print` or `--json` (a login link) and `infra runtime logs` (the lines that services have written).

To complete commands, options and services with the Tab key, add one of these lines to the shell's start file:

```text
eval "$(_INFRA_COMPLETE=bash_source infra)"      # ~/.bashrc
eval "$(_INFRA_COMPLETE=zsh_source infra)"       # ~/.zshrc
_INFRA_COMPLETE=fish_source infra | source       # ~/.config/fish/config.fish
```
"""


def page() -> str:
    """Return the text of the page `docs/reference/cli.md`."""
    sections = [PREFACE]
    for group in subcommands(click.Context(infra, info_name="infra")):
        is_group = any(subcommands(group))
        summary = group.command.help if is_group else group.command.short_help
        sections.append(f"## {group.command_path}\n\n{summary}\n")
        for command in leaves(group):
            sections += _section(command)
    return "\n".join(sections)


def subcommands(context: click.Context) -> Iterator[click.Context]:
    """Yield a click context for each command of a group; nothing if the argument is not a group."""
    group = context.command
    if isinstance(group, click.Group):
        for name in group.list_commands(context):
            if command := group.get_command(context, name):
                yield click.Context(command, info_name=name, parent=context)


def leaves(context: click.Context) -> Iterator[click.Context]:
    """Yield the click contexts of the commands of a group, at any depth, without groups.

    For a command that is not a group, yield its own context.
    """
    children = list(subcommands(context))
    if not children:
        yield context
    for child in children:
        yield from leaves(child)


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
    """Yield the paragraphs of a help text; a paragraph that begins with `\\b` becomes a code block."""
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
