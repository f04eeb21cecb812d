"""The variables of the exporters: every combination with variables of the user, read as an SDK reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import pytest
from hypothesis import given as examples
from hypothesis import strategies as st

from fakes.samples import every
from infra_runtime.contributions import Contribution, Variables
from infra_runtime.services import otlp_variables
from infra_runtime.services.user_service import UserServiceSettings, user_service
from infra_runtime.spec import ServiceSpec, merged

ALL = "OTEL_EXPORTER_OTLP_"
PREFIXES = (ALL, *(f"{ALL}{signal}_" for signal in otlp_variables.SIGNALS))
FOREIGN = "http://collector.test:4318"
HTTP, GRPC, KEY = "${telemetry.url?}", "${telemetry.grpc_url?}", "x-otlp-api-key=${telemetry.key?}"

#: the variables of a user: any combination of them, each with a possible value
variables = st.fixed_dictionaries(
    {},
    optional={
        f"{prefix}{name}": st.sampled_from(values)
        for prefix in PREFIXES
        for name, values in {
            "ENDPOINT": [FOREIGN],
            "HEADERS": ["api-key=theirs"],
            "PROTOCOL": ["http/json", "grpc"],
        }.items()
    },
)


class Exporter(NamedTuple):
    """The receiver to which an SDK sends a signal."""

    endpoint: str
    headers: str
    protocol: str


def own(env: Mapping[str, str], *, grpc: bool = True) -> ServiceSpec:
    value = Variables(defaults=(*otlp_variables.defaults(grpc=grpc),))
    offer = Contribution(key="variables", value=value, service="telemetry")
    return user_service(UserServiceSettings(command=("api",), env=dict(env)), [offer])


def variables_of(
    env: Mapping[str, str], shell: Mapping[str, str] | None = None, *, grpc: bool = True
) -> dict[str, str]:
    """Return all variables of the process of a service, as the supervisor computes them."""
    spec, shell = own(env, grpc=grpc), shell or {}
    names = {default.name for default in spec.env_defaults}
    own_env = {name: value for name, value in spec.env.items() if name not in names}
    return {**shell, **merged(own_env, spec.env_defaults, shell)}


def exporter(env: Mapping[str, str], signal: str) -> Exporter:
    """Return the receiver of a signal. The SDK of Node adds the headers of a signal to the general ones."""
    prefix = f"{ALL}{signal}_"
    headers = [env.get(f"{name}HEADERS", "") for name in (ALL, prefix)]
    endpoint = env.get(f"{prefix}ENDPOINT") or (
        f"{env[f'{ALL}ENDPOINT']}/v1/{signal.lower()}" if f"{ALL}ENDPOINT" in env else ""
    )
    protocol = env.get(f"{prefix}PROTOCOL", env.get(f"{ALL}PROTOCOL", ""))
    return Exporter(endpoint, ",".join(filter(None, headers)), protocol)


@examples(env=variables, shell=variables, grpc=st.booleans())
def test_the_key_is_never_sent_to_a_receiver_of_the_user(
    env: dict[str, str], shell: dict[str, str], grpc: bool
) -> None:
    result = variables_of(env, shell, grpc=grpc)

    for signal in otlp_variables.SIGNALS:
        used = exporter(result, signal)
        assert KEY not in used.headers or used.endpoint.startswith((HTTP, GRPC)), (signal, result)


@examples(env=variables, shell=variables, grpc=st.booleans())
def test_a_variable_of_the_user_is_never_changed(
    env: dict[str, str], shell: dict[str, str], grpc: bool
) -> None:
    given = {**shell, **env}

    result = variables_of(env, shell, grpc=grpc)

    assert {name: result[name] for name in given} == given


@examples(env=variables, shell=variables)
def test_each_signal_for_which_the_user_sets_no_receiver_is_sent_to_the_service(
    env: dict[str, str], shell: dict[str, str]
) -> None:
    given = {name: value for name, value in {**shell, **env}.items() if "PROTOCOL" not in name}
    theirs = [prefix for prefix in PREFIXES if any(name.startswith(prefix) for name in given)]

    result = variables_of(
        {name: value for name, value in env.items() if name in given},
        {name: value for name, value in shell.items() if name in given},
    )

    for signal in otlp_variables.SIGNALS:
        is_ours = f"{ALL}ENDPOINT" not in given and f"{ALL}HEADERS" not in given
        is_ours = is_ours and f"{ALL}{signal}_" not in theirs
        expected = Exporter(f"{HTTP}/v1/{signal.lower()}", KEY, "http/protobuf")
        used = exporter(result, signal)
        assert used == expected if is_ours else not {HTTP, KEY} & {used.endpoint, used.headers}


@pytest.mark.parametrize("own_prefix", PREFIXES)
@pytest.mark.parametrize(("protocol", "address"), [("http/json", HTTP), ("grpc", GRPC)])
def test_a_protocol_of_the_user_selects_the_port(own_prefix: str, protocol: str, address: str) -> None:
    result = variables_of({}, {f"{own_prefix}PROTOCOL": protocol})

    for signal in otlp_variables.SIGNALS:
        used = exporter(result, signal)
        is_selected = own_prefix in {ALL, f"{ALL}{signal}_"}
        assert used.protocol == (protocol if is_selected else "http/protobuf")
        assert used.endpoint.startswith(address if is_selected else HTTP)
        assert used.headers == KEY


def test_without_a_port_for_grpc_a_user_of_grpc_gets_neither_address_nor_key() -> None:
    result = variables_of({f"{ALL}PROTOCOL": "grpc"}, grpc=False)

    assert result == {f"{ALL}PROTOCOL": "grpc"}


@every(
    [
        (f"{ALL}ENDPOINT", "${telemetry.grpc_url}"),
        (f"{ALL}TRACES_ENDPOINT", "${telemetry.url}/v1/traces"),
        (f"{ALL}HEADERS", "x-otlp-api-key=${telemetry.key},tenant=a"),
        (f"{ALL}LOGS_HEADERS", "x-otlp-api-key=${ telemetry.key },tenant=a"),
    ],
)
def test_an_address_of_the_service_itself_keeps_the_key(name: str, value: str) -> None:
    result = variables_of({name: value})

    assert result[name] == value
    assert result.get(f"{ALL}HEADERS") in {KEY, value}
    assert f"{ALL}ENDPOINT" in result


def test_all_headers_are_secrets() -> None:
    assert set(otlp_variables.SENSITIVE) == {f"{prefix}HEADERS" for prefix in PREFIXES}
