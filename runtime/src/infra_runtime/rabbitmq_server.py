"""Start RabbitMQ of Debian's packages with `erlexec`, without the packages' shell scripts and without `epmd`.

`python -m infra_runtime.rabbitmq_server ERLEXEC DATA PLUGIN…` replaces its own process by the server. The
server's configuration is `advanced.config` and, if it exists, `rabbitmq.conf` in the folder DATA. With
`--seed` as the first argument, the module starts a server without listeners, stops this server, and removes
all files in DATA except the folder `mnesia`, which then contains neither users nor virtual hosts.

A server normally loads all modules of all applications that it finds, and searches the modules for steps of
the start. This takes most of the time of a start. Therefore the folder `plugins` contains links to the
applications of the enabled plugins only. Except for the applications of RabbitMQ and of prometheus.erl, the
list of modules is empty; the modules are loaded at the first call.

Sources: erl(1), "Flags" and "Emulator Flags"; erts, `erlexec.c`; the kernel application's documentation,
`kernel(6)`, `application(3)`; rabbitmq-server 3.10, `scripts/rabbitmq-server`, `rabbit_env.erl`,
`rabbit_misc.erl`; prometheus.erl, `prometheus_misc.erl`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

NODE = "rabbit@localhost"
#: the folder with the tables of users, queues and messages, below the data folder
MNESIA = "mnesia"
#: the configuration of the server whose tables become the seed
_SEED_CONFIG = "[{rabbit, [{tcp_listeners, []}]}].\n"
#: Erlang code that removes the user and the virtual host which the first start creates, and then stops the
#: server. A server that starts with the empty tables creates both again, with the password of its stack.
_SEED_END = (
    "[rabbit_auth_backend_internal:delete_user(User, <<>>) "
    "|| User <- [proplists:get_value(user, U) || U <- rabbit_auth_backend_internal:list_users()]], "
    "[rabbit_vhost:delete(Name, <<>>) || Name <- rabbit_vhost:list_names()], init:stop()."
)
#: Erlang code that loads the applications without their lists of modules. The applications of RabbitMQ and of
#: the library prometheus.erl keep their lists, because prometheus.erl searches these lists for collectors of
#: metrics.
_LOAD = (
    "[application:load({application, Name, lists:keystore(modules, 1, Keys, {modules, []})}) "
    '|| Folder <- code:get_path(), File <- filelib:wildcard("*.app", Folder), '
    'not lists:prefix("rabbit", File), not lists:prefix("prometheus", File), '
    "{ok, [{application, Name, Keys}]} <- [file:consult(filename:join(Folder, File))]]."
)
#: the longest time in seconds for the start and the stop of the server whose tables become the seed
PATIENCE = 120.0
#: applications that the server uses although no application depends on them
_UNDECLARED = ("rabbit", "rabbitmq_prelaunch", "cuttlefish", "sysmon_handler")


def main(arguments: list[str]) -> None:
    """Replace this process by the server, or create the seed if the first argument is `--seed`."""
    if arguments[0] == "--seed":
        erlexec, data, *plugins = arguments[1:]
        make_seed(Path(erlexec), Path(data), plugins)
        return
    erlexec, data, *plugins = arguments
    argv, env = prepared(Path(erlexec), Path(data), plugins)
    os.execve(erlexec, argv, env)  # noqa: S606 - without a shell, the server has this pid


def prepared(erlexec: Path, data: Path, plugins: Iterable[str]) -> tuple[list[str], dict[str, str]]:
    """Write `enabled_plugins` and the folder `plugins`; return the command line and the environment."""
    root = installation(erlexec)
    installed = applications(root)
    enabled = sorted(set(plugins))
    _write(data / "enabled_plugins", f"[{','.join(enabled)}].\n")
    _link(data / "plugins", needed((*_UNDECLARED, *enabled), installed))
    (data / "home").mkdir(mode=0o700, exist_ok=True)
    return command(erlexec), environment(erlexec, root, data)


def command(erlexec: Path) -> list[str]:
    """Return the command line: the flags of the Erlang emulator, and the flags of the Erlang applications."""
    return [
        str(erlexec),
        *("-noinput", "-boot", "start_sasl", "-eval", _LOAD, "-s", "rabbit", "boot"),
        # The schedulers sleep instead of spinning when there is nothing to do.
        *("+W", "w", "+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none"),
        # With one thread for Erlang's processes, a start needs about a tenth less processor time.
        *("+S", "1:1"),
        # The name of the node is part of the path of the tables. The node does not listen for other nodes.
        *("-sname", NODE, "-dist_listen", "false", "-start_epmd", "false", "-erl_epmd_port", "25672"),
        *("-kernel", "inet_dist_use_interface", "{127,0,0,1}"),
        *("-kernel", "prevent_overlapping_partitions", "false"),
        # The application syslog, which the server does not use, would open a UDP port on all addresses.
        *("-syslog", "protocol", "{rfc5424,standard_error}"),
        *("-syslog", "logger", "[]", "-syslog", "syslog_error_logger", "false"),
    ]


def environment(erlexec: Path, root: Path, data: Path) -> dict[str, str]:
    """Return the environment variables of the server.

    The result includes the variables of this process, except those whose names begin with RABBITMQ_ or ERL_.
    """
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("RABBITMQ_", "ERL_"))
    }
    server_variables = {
        "ROOTDIR": str(root / "usr/lib/erlang"),
        # The folder of the scripts that start each program of the packages with the libraries of the
        # packages.
        "BINDIR": str(erlexec.parent),
        "EMU": "beam",
        "PROGNAME": "erl",
        "HOME": str(data / "home"),
        "ERL_LIBS": str(data / "plugins"),
        "ERL_CRASH_DUMP_SECONDS": "0",
        "RABBITMQ_NODENAME": NODE,
        "RABBITMQ_HOME": str(data / "home"),
        "RABBITMQ_CONFIG_FILE": str(data / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(data / "advanced.config"),
        "RABBITMQ_CONF_ENV_FILE": str(data / "none"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(data / "generated"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(data / "enabled_plugins"),
        "RABBITMQ_PLUGINS_DIR": str(data / "plugins"),
        "RABBITMQ_PLUGINS_EXPAND_DIR": str(data / "expanded"),
        "RABBITMQ_MNESIA_BASE": str(data / MNESIA),
        "RABBITMQ_LOG_BASE": str(data),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_PID_FILE": str(data / "server.pid"),
    }
    return {**inherited, **server_variables}


def installation(erlexec: Path) -> Path:
    """Return the folder in which the packages are unpacked; it contains `usr/lib/erlang`.

    `erlexec` is a script in the store's folder `launch/METHOD/`, or the program `erlexec` in its package.
    Raises `SystemExit` if the folder cannot be determined from this path.
    """
    real = erlexec.resolve()
    for folder in (real.parents[2] / "root", *real.parents):
        if (folder / "usr/lib/erlang").is_dir():
            return folder
    sys.exit(f"{erlexec} is not part of unpacked Debian packages; run `infra bin install rabbitmq`")


def applications(root: Path) -> Mapping[str, Path]:
    """Return a mapping from the name of each application in the package of RabbitMQ to its folder.

    Raises `SystemExit` if no application is found.
    """
    folders = sorted((root / "usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/plugins/*/ebin"))
    if not folders:
        sys.exit(f"{root} contains no applications of RabbitMQ; run `infra bin install rabbitmq`")
    return {folder.parent.name.rpartition("-")[0]: folder.parent for folder in folders}


def needed(names: Iterable[str], installed: Mapping[str, Path]) -> dict[str, Path]:
    """Return the folder of each of these applications, and of all applications that they depend on.

    Applications that are part of Erlang are not in the result. Raises `SystemExit` for a plugin that is not
    installed.
    """
    names = list(names)
    if missing := [name for name in names if name not in installed and name not in _UNDECLARED]:
        plugins = ", ".join(sorted(name for name in installed if name.startswith("rabbitmq_")))
        sys.exit(f"unknown plugins: {', '.join(missing)}; installed are: {plugins}")
    applications: dict[str, Path] = {}
    pending = [name for name in names if name in installed]
    while pending:
        name = pending.pop()
        if name not in applications:
            applications[name] = installed[name]
            pending += [
                dependency for dependency in _dependencies(name, installed[name]) if dependency in installed
            ]
    return applications


def _dependencies(name: str, folder: Path) -> list[str]:
    """Return the applications on which an application depends, from its file `NAME.app`. Source: app(4)."""
    text = (folder / "ebin" / f"{name}.app").read_text(encoding="utf-8")
    match = re.search(r"\{\s*applications\s*,\s*\[([^\]]*)\]", text)
    return re.findall(r"[a-z][a-z0-9_]*", match[1]) if match else []


def _link(folder: Path, targets: Mapping[str, Path]) -> None:
    """Create a folder with links to `targets`. Old links are removed: their targets may no longer exist."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    for target in targets.values():
        (folder / target.name).symlink_to(target)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def make_seed(erlexec: Path, data: Path, plugins: Iterable[str]) -> None:
    """Start and stop a server, and remove all its files except the tables.

    Raises `SystemExit` with the end of the server's output if the server fails.
    """
    _write(data / "advanced.config", _SEED_CONFIG)
    # The plugin `rabbitmq_management` would listen on a port. `rabbitmq_management_agent` is enabled instead:
    # its feature flags must be stored in the tables.
    argv, env = prepared(
        erlexec, data, {name.replace("_management", "_management_agent") for name in plugins}
    )
    try:
        process = subprocess.run(
            [*argv, "-eval", _SEED_END],
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        sys.exit(f"the server did not stop within {PATIENCE:g} s: {(error.output or b'')[-2000:]!r}")
    if process.returncode != 0 or not (data / MNESIA).is_dir():
        sys.exit((process.stdout + process.stderr)[-2000:] or f"the server exited with {process.returncode}")
    for path in data.iterdir():
        if path.name != MNESIA:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


if __name__ == "__main__":
    main(sys.argv[1:])
