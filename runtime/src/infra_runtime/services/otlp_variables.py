"""The variables with which the SDKs of OpenTelemetry send traces, metrics and logs to the telemetry service.

The address, the headers and the protocol are set in variables for all signals or in variables for one signal,
which take precedence. The key of the telemetry service must not be sent to another receiver. Therefore the
address and the headers of a signal are left out if the user sets one of them, for all signals or for this
signal; then each other signal gets its own variables.

Source: OpenTelemetry specification, "OpenTelemetry Protocol Exporter", "Configuration Options".
"""

from __future__ import annotations

from collections.abc import Iterator

from infra_runtime.spec import Default
from infra_runtime.telemetry import KEY_HEADER

SIGNALS = ("TRACES", "METRICS", "LOGS")
_ALL = "OTEL_EXPORTER_OTLP_"
#: the beginning of the names of a signal's own variables
_OWN = {signal: f"{_ALL}{signal}_" for signal in SIGNALS}
SENSITIVE = tuple(f"{prefix}HEADERS" for prefix in (_ALL, *_OWN.values()))
#: Without the protocol, Python's SDK uses gRPC.
_HTTP = "http/protobuf"
_KEY = f"{KEY_HEADER}=${{key}}"


def defaults(*, grpc: bool) -> Iterator[Default]:
    """Yield the variables; `grpc` is whether the service has a port for gRPC.

    If the user selects gRPC, the address is that port. Without the port, neither address nor key is set then.
    """
    changed = _receiver(_ALL, *_OWN.values())
    is_grpc = f"{_ALL}PROTOCOL=grpc"
    unreachable = () if grpc else (is_grpc,)
    yield Default(name=f"{_ALL}ENDPOINT", value="${url}", unless=(*changed, is_grpc))
    if grpc:
        yield Default(name=f"{_ALL}ENDPOINT", value="${grpc_url}", only_with=(is_grpc,), unless=changed)
    yield Default(name=f"{_ALL}PROTOCOL", value=_HTTP, unless=changed)
    yield Default(name=f"{_ALL}HEADERS", value=_KEY, unless=(*changed, *unreachable))
    for signal in SIGNALS:
        yield from _own_defaults(signal, grpc=grpc)


def _own_defaults(signal: str, *, grpc: bool) -> Iterator[Default]:
    """Yield the variables for one signal, which is sent to the service although another signal is not."""
    own = _OWN[signal]
    others = _receiver(*(prefix for name, prefix in _OWN.items() if name != signal))
    changed = _receiver(_ALL, own)
    is_grpc = f"{own}PROTOCOL=grpc"
    # If the user selects gRPC for all signals, and another receiver for one, no other signal gets an address.
    unreachable = (f"{_ALL}PROTOCOL=grpc", *([] if grpc else [is_grpc]))
    yield Default(
        name=f"{own}ENDPOINT",
        value=f"${{url}}/v1/{signal.lower()}",
        only_with=others,
        unless=(*changed, f"{_ALL}PROTOCOL=grpc", is_grpc),
    )
    if grpc:
        yield Default(name=f"{own}ENDPOINT", value="${grpc_url}", only_with=(is_grpc,), unless=changed)
    yield Default(name=f"{own}PROTOCOL", value=_HTTP, only_with=others, unless=(*changed, f"{_ALL}PROTOCOL"))
    yield Default(name=f"{own}HEADERS", value=_KEY, only_with=others, unless=(*changed, *unreachable))


def _receiver(*prefixes: str) -> tuple[str, ...]:
    """Return the names of the variables with an address or with headers."""
    return tuple(f"{prefix}{name}" for prefix in prefixes for name in ("ENDPOINT", "HEADERS"))
