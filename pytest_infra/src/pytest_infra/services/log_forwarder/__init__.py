"""The service kit of the kind `log-forwarder`: all tests share the stream with the log lines."""

from __future__ import annotations

from pytest_infra.kit import ServiceKit

KIT = ServiceKit(
    kind="log-forwarder",
    variants=("shared",),
    units="pytest_infra.shared_units:units",
    dump="pytest_infra.services.log_forwarder.dump:dump",
)
