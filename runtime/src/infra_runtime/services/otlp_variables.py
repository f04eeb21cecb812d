"""The variables that make the SDKs of OpenTelemetry send traces, metrics and logs to the telemetry service.

The address, the headers and the protocol are set in variables for all signals or in variables for one signal,
which take precedence. The key of the telemetry service must not be sent to another receiver. Therefore, if
the user sets the address or the headers for one signal, pytest-infra sets neither for this signal, and sets
separate variables for each of the other signals.

Source: OpenTelemetry specification, "OpenTelemetry Protocol Exporter", "Configuration Options".
"""

from __future__ import annotations

from collections.abc import Iterator

from infra_runtime.spec import Default
from infra_runtime.telemetry import KEY_HEADER

SIGNALS = ("TRACES", "METRICS", "LOGS")
_ALL = "OTEL_EXPORTER_OTLP_"
#: signal → the prefix of the variables that are only for this signal
_OWN = {signal: f"{_ALL}{signal}_" for signal in SIGNALS}
SENSITIVE = tuple(f"{prefix}HEADERS" for prefix in (_ALL, *_OWN.values()))
#: Without the protocol, Python's SDK uses gRPC.
_HTTP = "http/protobuf"
_KEY = f"{KEY_HEADER}=${{key}}"


def defaults(*, grpc: bool) -> Iterator[Default]:
    """Yield the variables; `grpc` is whether the service has a port for gRPC.

    If the user selects gRPC, the address contains the port for gRPC. If the user selects gRPC and the service
    does not have this port, the variables of the address and of the headers with the API key are not set.
    """
    receiver_variables = _receiver(_ALL, *_OWN.values())
    is_grpc = f"{_ALL}PROTOCOL=grpc"
    unreachable = () if grpc else (is_grpc,)
    yield Default(name=f"{_ALL}ENDPOINT", value="${url}", unless=(*receiver_variables, is_grpc))
    if grpc:
        yield Default(
            name=f"{_ALL}ENDPOINT", value="${grpc_url}", only_with=(is_grpc,), unless=receiver_variables
        )
    yield Default(name=f"{_ALL}PROTOCOL", value=_HTTP, unless=receiver_variables)
    yield Default(name=f"{_ALL}HEADERS", value=_KEY, unless=(*receiver_variables, *unreachable))
    for signal in SIGNALS:
        yield from _own_defaults(signal, grpc=grpc)


def _own_defaults(signal: str, *, grpc: bool) -> Iterator[Default]:
    """Yield the variables for one signal, which are set if the user sets the receiver of another signal.

    The address for gRPC is also set if the user selects gRPC for this signal only.
    """
    prefix_of_signal = _OWN[signal]
    other_receivers = _receiver(*(prefix for name, prefix in _OWN.items() if name != signal))
    receiver_variables = _receiver(_ALL, prefix_of_signal)
    is_grpc = f"{prefix_of_signal}PROTOCOL=grpc"
    # If the user selects gRPC for all signals and another receiver for one signal, pytest-infra sets no
    # addresses of the other signals.
    unreachable = (f"{_ALL}PROTOCOL=grpc", *([] if grpc else [is_grpc]))
    yield Default(
        name=f"{prefix_of_signal}ENDPOINT",
        value=f"${{url}}/v1/{signal.lower()}",
        only_with=other_receivers,
        unless=(*receiver_variables, f"{_ALL}PROTOCOL=grpc", is_grpc),
    )
    if grpc:
        yield Default(
            name=f"{prefix_of_signal}ENDPOINT",
            value="${grpc_url}",
            only_with=(is_grpc,),
            unless=receiver_variables,
        )
    yield Default(
        name=f"{prefix_of_signal}PROTOCOL",
        value=_HTTP,
        only_with=other_receivers,
        unless=(*receiver_variables, f"{_ALL}PROTOCOL"),
    )
    yield Default(
        name=f"{prefix_of_signal}HEADERS",
        value=_KEY,
        only_with=other_receivers,
        unless=(*receiver_variables, *unreachable),
    )


def _receiver(*prefixes: str) -> tuple[str, ...]:
    """Return the names of the variables for the address and for the headers of a receiver."""
    return tuple(f"{prefix}{name}" for prefix in prefixes for name in ("ENDPOINT", "HEADERS"))
