"""The command `infra runtime exec`, which runs a program with the addresses of the stack."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import click

from infra_cli import output
from infra_cli.completion import complete_services
from infra_cli.target import Target, target
from infra_runtime.engines.variables import program_variables
from infra_runtime.errors import StartError, UnknownServiceError
from infra_runtime.messages import ENDPOINTS, STATUS, Nothing, ServiceEndpoint, Status

#: The exit codes that a shell uses if a program does not exist, and if a program cannot be run.
NOT_FOUND, NOT_EXECUTABLE = 127, 126


@click.command(
    short_help="Run a program with the addresses of the stack as environment variables.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("service", shell_complete=complete_services)
@click.argument("argv", nargs=-1, required=True, metavar="-- ARGV…", type=click.UNPROCESSED)
@target
def command(target: Target, *, service: str, argv: tuple[str, ...]) -> int:
    """Run a program with the environment variables of SERVICE and the addresses of all services.

    Each value that a service of the stack exports is a variable (POSTGRES_URL, NATS_URL, …). The variables
    that client libraries read are set too (DATABASE_URL, PGHOST, REDIS_URL, …). PATH includes the folder of
    SERVICE's executable. SERVICE must be ready. The exit code is the exit code of the program, 127 if the
    program does not exist, or 126 if it cannot be run.

    \b
    Examples:
      infra runtime exec postgres -- psql -c 'select 1'
      infra runtime exec api -- python -m shop.shell
    """
    argv = argv[argv[0] == "--" :]
    if not argv:
        raise click.UsageError("Add the program to run after `--`.")
    with target.client() as client:
        endpoints = client.call(ENDPOINTS, Nothing()).services
        status = client.call(STATUS, Nothing())
    if service not in status.services.names:
        raise UnknownServiceError(service, sorted(status.services.names))
    state = status.services[service]
    if not state.ready:
        raise StartError(service, f"is {state.phase}" + (f": {state.reason}" if state.reason else ""))
    return replace_process(argv, environment(os.environ, service, endpoints, status))


def replace_process(argv: Sequence[str], variables: Mapping[str, str]) -> int:
    """Replace this process by a program; if the program cannot be run, return the exit code of a shell."""
    output.flush()
    try:
        os.execvpe(argv[0], [*argv], variables)  # noqa: S606 - the purpose of the command
    except FileNotFoundError:
        output.note(f"{argv[0]}: program not found")
        return NOT_FOUND
    except OSError as error:
        output.note(f"{argv[0]}: {error.strerror}")
        return NOT_EXECUTABLE


def environment(
    user_variables: Mapping[str, str], service: str, endpoints: Mapping[str, ServiceEndpoint], status: Status
) -> dict[str, str]:
    """Return the environment variables of the program that `infra runtime exec SERVICE` starts.

    If a variable has several values, the value of the service has priority, then the value of the stack, then
    the value in `user_variables`. PATH is the user's, followed by the folder of the service's executable.
    """
    folder = os.path.dirname(endpoints[service].program)  # noqa: PTH120 - it may be a bare name
    path = user_variables.get("PATH", os.defpath)
    return {
        **stack_environment(user_variables, endpoints, status),
        **endpoints[service].env,
        "PATH": f"{path}{os.pathsep}{folder}" if folder else path,
        "INFRA_ENV": status.environment,
        "INFRA_DATA": status.data,
        "INFRA_SERVICE": service,
    }


def stack_environment(
    user_variables: Mapping[str, str], endpoints: Mapping[str, ServiceEndpoint], status: Status
) -> dict[str, str]:
    """Return the user's environment variables `user_variables` with the addresses of a running stack.

    INFRA_ENV and INFRA_DATA are set to the environment and the data directory of the stack.
    """
    return {
        **user_variables,
        **program_variables(endpoints),
        "INFRA_ENV": status.environment,
        "INFRA_DATA": status.data,
    }
