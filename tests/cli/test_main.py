"""The program `infra`: commands, help and errors."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from fakes.command_line import INFRA, CommandLine
from fakes.samples import every
from infra_cli.main import infra as root
from infra_cli.reference import leaves, subcommands

LEAVES = [leaf.command_path for leaf in leaves(click.Context(root, info_name="infra"))]
#: the end of the help of `--env`, for commands that do not read INFRA_ENV
ENVIRONMENT_HELP = {
    "infra config validate": "[default: all environments]",
    "infra export compose": "[default: all environments]",
    "infra export kubernetes": "[default: development, staging and production]",
    "infra runtime container": "[default: production]",
    "infra workflows build": "[default: production]",
    "infra workflows deploy": "[default: production]",
    "infra workflows": "Not used: --namespace selects the deployed stack.",
    "infra workflows rollout": "Not used: --namespace selects the deployed stack.",
    "infra dev failure-report": "[default: test]",
}


@every(LEAVES)
def test_every_command_has_a_help(path: str) -> None:
    answer = CliRunner().invoke(root, [*path.split()[1:], "--help"], prog_name="infra")

    assert answer.exit_code == 0
    assert f"Usage: {path}" in answer.output
    assert "--debug" in answer.output


def test_the_help_of_the_environment_contains_the_default_of_each_command() -> None:
    for leaf in leaves(click.Context(root, info_name="infra")):
        path = leaf.command_path
        expected = ENVIRONMENT_HELP.get(path) or ENVIRONMENT_HELP.get(path.rpartition(" ")[0])
        for option in leaf.command.params:
            if option.name == "environment":
                assert isinstance(option, click.Option)
                text = str(option.help)
                assert text.endswith(expected or "[env var: INFRA_ENV] [default: development]"), path


@pytest.mark.process
def test_the_help_of_a_group_imports_nothing_slow() -> None:
    code = (
        "import sys; from infra_cli.main import run; run(['runtime', '--help']);"
        "print({'pydantic', 'rich', 'infra_runtime.engines.local.stack'} & set(sys.modules), file=sys.stderr)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr

    assert loaded.strip() == "set()"


def test_the_version_is_that_of_the_kit(infra: CommandLine) -> None:
    from infra_runtime import __version__

    assert infra("--version").out == f"infra, version {__version__}\n"


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["runtime", "nonsense"], ["runtime", "up", "--nonsense"]]
)
def test_the_exit_code_of_a_usage_error_is_2(infra: CommandLine, arguments: list[str]) -> None:
    answer = infra(*arguments)

    assert answer.code == 2
    assert "nonsense" in answer.err


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["runtim"], "`infra runtime`"),
        (["runtime", "stat"], "`infra runtime status`"),
        (["runtime", "snapshot", "sav"], "`infra runtime snapshot save`"),
        (["up"], "`infra runtime up`"),
        (["runtime", "doctor"], "`infra dev doctor`"),
        (["runtime", "up", "--detatch"], "'--detach'"),
    ],
)
def test_a_misspelled_name_is_reported_with_the_nearest_name(
    infra: CommandLine, arguments: list[str], meant: str
) -> None:
    answer = infra(*arguments)

    assert answer.code == 2
    assert answer.err.startswith("infra: error: no such ")
    assert f"; did you mean {meant}?\n" in answer.err


def test_a_name_without_a_similar_one_is_reported_with_all_names(infra: CommandLine) -> None:
    groups = "runtime, config, bin, cache, export, workflows, dev, tools"

    assert infra("xyzzy").err.splitlines() == [
        f"infra: error: no such command 'xyzzy'; use one of: {groups}",
        "  hint: `infra --help` prints the arguments and options of the command.",
    ]


@pytest.mark.parametrize("arguments", [[], ["runtime"], ["runtime", "snapshot"]])
def test_a_group_without_a_command_lists_its_commands(infra: CommandLine, arguments: list[str]) -> None:
    answer = infra(*arguments)

    assert (answer.code, answer.out) == (2, "")
    assert "Commands:\n" in answer.err


def test_an_error_is_a_message_and_a_hint_and_only_debug_shows_its_traceback(infra: CommandLine) -> None:
    plain, debug = infra("runtime", "status"), infra("runtime", "status", "--debug")

    assert [line.partition(":")[0] for line in plain.err.splitlines()] == ["infra", "  hint"]
    assert "Traceback" in debug.err
    assert plain.code == debug.code == 7


def test_a_closed_output_pipe_prints_no_error(infra: CommandLine) -> None:
    result = subprocess.run(
        ["bash", "-c", 'set -o pipefail; infra config show | true; echo "${PIPESTATUS[0]}"'],
        cwd=infra.root,
        env={**infra.environ, "PATH": f"{sys.prefix}/bin:{infra.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.stdout.strip() in {"0", "141"}
    assert result.stderr == ""


def test_a_shell_completes_commands_and_services(shop: CommandLine) -> None:
    environ = {"_INFRA_COMPLETE": "bash_complete", "COMP_CWORD": "3", "COMP_WORDS": "infra runtime restart w"}

    assert shop(environ=environ).out.splitlines() == ["plain,worker"]
    assert "_INFRA_COMPLETE" in shop(environ={"_INFRA_COMPLETE": "bash_source"}).out


@pytest.mark.parametrize("group", ["runtime", "config"])
def test_every_command_has_the_options_that_select_a_stack(group: str) -> None:
    groups = {leaf.info_name: leaf for leaf in subcommands(click.Context(root, info_name="infra"))}
    for leaf in leaves(groups[group]):
        options = {option for parameter in leaf.command.params for option in parameter.opts}

        assert {"--data", "--directory", "--env"} <= options, leaf.command_path


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system does not have /dev/full")
@pytest.mark.parametrize("buffered", [True, False], ids=["buffered", "unbuffered"])
def test_an_output_on_a_full_disk_is_an_error_without_a_traceback(infra: CommandLine, buffered: bool) -> None:
    environ = {**os.environ, "PYTHONUNBUFFERED": "" if buffered else "1"}
    with Path("/dev/full").open("w") as full:
        command = [INFRA, "config", "show"]
        result = subprocess.run(
            command, cwd=infra.root, env=environ, stdout=full, stderr=subprocess.PIPE, check=False
        )

    assert result.returncode == 1
    assert (
        result.stderr.decode() == "infra: error: the output could not be written: No space left on device\n"
    )
