"""The options of the plugin: pytest's command line has priority, then `VARIABLES`, then the ini file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import pytest

from infra_runtime.manifest import ENVIRONMENTS

#: option → metavar and help. Each option has an ini value of the same name with underscores. An option
#: without a metavar is a flag. No option has an optional value, because such an option would take the path of
#: a test after it as its value.
OPTIONS: dict[str, tuple[str, str]] = {
    "infra-services": (
        "NAMES",
        (
            "the services of the whole stack, separated by commas (default: the services of the stack file, "
            "or else the default stack)"
        ),
    ),
    "infra-profile": (
        "NAME",
        (
            "the profile that selects the services, such as minimal, full, everything or a profile of the "
            "stack file"
        ),
    ),
    "infra-env": (
        "NAME",
        (
            f"the environment of the run: {', '.join(ENVIRONMENTS)} (default: test; with --infra-engine "
            "kubernetes, the environment that was deployed, by default development)"
        ),
    ),
    "infra-engine": (
        "local|kubernetes",
        (
            "start the services on this machine, or use those of a stack in a cluster by port-forwards "
            "(default: local)"
        ),
    ),
    "infra-context": (
        "NAME",
        "the context in the kubeconfig, for --infra-engine kubernetes (default: the current context)",
    ),
    "infra-namespace": (
        "NAME",
        "the namespace of the stack, for --infra-engine kubernetes (default: the name of the project)",
    ),
    "infra-data": (
        "PATH",
        (
            "the data directory of the stack (default: the variable INFRA_DATA, or .data-test beside the "
            "stack file; .data in an environment other than test)"
        ),
    ),
    "infra-directory": (
        "PATH",
        (
            "the folder in which the search for the stack file starts; parent folders are searched too "
            "(default: pytest's root directory)"
        ),
    ),
    "infra-reuse": (
        "",
        (
            "use the stack that an earlier run has kept running, and keep it running for the next run (in "
            "CI, the ini value is ignored)"
        ),
    ),
    "infra-reuse-for": (
        "SECONDS",
        (
            "the seconds for which the stack keeps running after the run; on the command line, this option "
            "also sets --infra-reuse (default: 3600)"
        ),
    ),
    "infra-keep": (
        "no|failed",
        (
            "with failed, keep the isolation units of failed tests; after a failed test, the stack keeps "
            "running for eight hours (default: no; in CI, the ini value is ignored)"
        ),
    ),
    "infra-tmpfs": (
        "yes|no",
        (
            "keep the data of the services in RAM if enough memory is free; only in the environment test "
            "(default: the value of the stack file, or else yes)"
        ),
    ),
    "infra-install": (
        "yes|no",
        (
            "install missing servers before the first test that needs them, as `infra bin install` does "
            "(default: no)"
        ),
    ),
    "infra-record": (
        "yes|no",
        "write a record of the tests to the data directory of the stack (default: yes)",
    ),
    "infra-strict": (
        "",
        (
            "fail the run if a process, container, port, socket, data folder or isolation unit of its stack "
            "is left (default in CI)"
        ),
    ),
}

#: The option with which snapshots are written. It has no ini value, because a run that writes snapshots does
#: not check the API.
UPDATE_OPENAPI = "--infra-update-openapi"

#: The seconds for which a warm stack keeps running by default.
REUSE_SECONDS = 3600.0
#: The engines, and the environment variables of the options that select a stack in a cluster. A variable has
#: priority over the ini value.
ENGINES = ("local", "kubernetes")
VARIABLES = {"engine": "INFRA_ENGINE", "context": "INFRA_CONTEXT", "namespace": "INFRA_NAMESPACE"}
#: The environments of stacks in a cluster that tests can use.
DEPLOYED = ("development", "staging")
YES_OR_NO = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


class Cluster(NamedTuple):
    """The stack in a cluster that the tests use: its environment, context and namespace."""

    environment: str
    #: the context in the kubeconfig; empty for the current context
    context: str
    #: the namespace; empty for the name of the project
    namespace: str


class Options(NamedTuple):
    """The plugin's options of this run.

    If `services` is empty, or `profile`, `data` or `tmpfs` is None, the value of the stack is used. The class
    is a tuple because the definition of a dataclass takes a millisecond in every run.
    """

    services: tuple[str, ...]
    profile: str | None
    #: the environment of this process; `test` if the stack runs in a cluster
    environment: str
    data: Path | None
    directory: Path
    #: the seconds for which the stack keeps running for the next run; None if the stack stops after this run
    reuse: float | None
    #: whether the units of failed tests are kept
    keep: bool
    strict: bool
    #: whether the data of the services are in RAM; None: the setting of the stack file is used
    tmpfs: bool | None
    #: whether missing servers are installed
    install: bool
    #: whether the tests of the session are recorded
    record: bool
    #: the stack in a cluster; None: the stack runs on this machine
    cluster: Cluster | None

    @property
    def stack_environment(self) -> str:
        """The environment with which the stack file is read."""
        return self.cluster.environment if self.cluster else self.environment


def add(parser: pytest.Parser) -> None:
    """Add the options and ini values of the plugin to pytest's parser."""
    group = parser.getgroup("infra", "real services as fixtures [pytest-infra]")
    for name, (metavar, text) in OPTIONS.items():
        ini = name.replace("-", "_")
        choices = {"infra-env": ENVIRONMENTS, "infra-engine": ENGINES}.get(name)
        if metavar:
            group.addoption(f"--{name}", metavar=metavar, choices=choices, default=None, help=text)
        else:
            group.addoption(f"--{name}", action="store_const", const="yes", default=None, help=text)
        parser.addini(ini, f"{text}; the option --{name} has priority", type="string", default="")
    group.addoption(
        UPDATE_OPENAPI,
        action="store_true",
        help="update the snapshots of the fixture openapi_snapshot; its checks then find no change",
    )


def read(config: pytest.Config) -> Options:
    """Return the plugin's options of this run. Raises `pytest.UsageError` for an invalid value."""
    cluster = _cluster(config)
    environment = "test" if cluster else _value(config, "env") or "test"
    if environment not in ENVIRONMENTS:
        raise pytest.UsageError(
            f"infra_env: {environment!r} is not an environment; choose one of {', '.join(ENVIRONMENTS)}"
        )
    data_path = _value(config, "data")
    return Options(
        services=tuple(_value(config, "services").replace(",", " ").split()),
        profile=_value(config, "profile") or None,
        environment=environment,
        data=config.rootpath / Path(data_path).expanduser() if data_path else None,
        directory=config.rootpath / Path(_value(config, "directory")).expanduser(),
        reuse=_reuse(config),
        keep=_keep(config),
        strict=_strict(config),
        tmpfs=_yes_or_no("infra_tmpfs", _value(config, "tmpfs")),
        install=_yes_or_no("infra_install", _value(config, "install")) or False,
        record=_yes_or_no("infra_record", _value(config, "record")) is not False,
        cluster=cluster,
    )


def _cluster(config: pytest.Config) -> Cluster | None:
    engine = _value(config, "engine") or "local"
    if engine not in ENGINES:
        raise pytest.UsageError(
            f"infra_engine: {engine!r} is not an engine; choose one of {', '.join(ENGINES)}"
        )
    if engine == "local":
        return None
    environment = _value(config, "env") or DEPLOYED[0]
    if environment not in DEPLOYED:
        raise pytest.UsageError(
            f"infra_env: tests cannot use a stack of the environment {environment!r} in a cluster, because "
            f"tests change the data of the stack; deploy and choose one of {', '.join(DEPLOYED)}"
        )
    return Cluster(environment, _value(config, "context"), _value(config, "namespace"))


def in_ci() -> bool:
    """Return whether the tests run in CI: the variable `CI` is set, and not to `0`, `false` or `no`."""
    return os.environ.get("CI", "").lower() not in {"", "0", "false", "no"}


def _reuse(config: pytest.Config) -> float | None:
    reuse = _yes_or_no("infra_reuse", _value_outside_ci(config, "reuse")) or False
    duration = getattr(config.known_args_namespace, "infra_reuse_for", None)
    if not reuse and duration is None:
        return None
    text = _value(config, "reuse_for")
    try:
        seconds = float(text) if text else REUSE_SECONDS
    except ValueError:
        seconds = float("nan")
    if not 0 <= seconds < float("inf"):
        raise pytest.UsageError(f"infra_reuse_for: {text!r} is not a number of seconds")
    return seconds


def _keep(config: pytest.Config) -> bool:
    text = _value_outside_ci(config, "keep")
    if text not in {"", "no", "failed"}:
        raise pytest.UsageError(f"infra_keep: {text!r} is neither `no` nor `failed`")
    return text == "failed"


def _strict(config: pytest.Config) -> bool:
    strict = _yes_or_no("infra_strict", _value(config, "strict"))
    return in_ci() if strict is None else strict


def _yes_or_no(name: str, text: str) -> bool | None:
    """Return the value of an option, `yes` or `no`, as a boolean; None if the option is not set."""
    if text and text.lower() not in YES_OR_NO:
        raise pytest.UsageError(f"{name}: {text!r} is neither `yes` nor `no`")
    return YES_OR_NO.get(text.lower())


def _value_outside_ci(config: pytest.Config, name: str) -> str:
    """Return the value of an option; in CI, a value in the ini file is ignored.

    This function is used for options that keep services or units, because a CI job does not use them again.
    """
    option = getattr(config.known_args_namespace, f"infra_{name}", None)
    return str(option or ("" if in_ci() else config.getini(f"infra_{name}")))


def _value(config: pytest.Config, name: str) -> str:
    option = getattr(config.known_args_namespace, f"infra_{name}", None)
    if option is None and name in VARIABLES:
        option = os.environ.get(VARIABLES[name]) or None
    return str(option if option is not None else config.getini(f"infra_{name}"))
