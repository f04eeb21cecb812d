"""The registry that creates and removes the isolation units of this process."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from infra_runtime.errors import ConfigurationError, InfraError
from pytest_infra import forks, variants
from pytest_infra.instances import Instance, Instances
from pytest_infra.isolation.owner import Owner
from pytest_infra.isolation.unit import Unit, Units
from pytest_infra.kit import Parameter, load
from pytest_infra.kit_context import KitContext
from pytest_infra.notes import Notes
from pytest_infra.session import Session
from pytest_infra.spans import Recorder

if TYPE_CHECKING:
    from infra_runtime.engines.local.stack import Endpoint


class UnitRegistry:
    """The registry that creates isolation units when tests request them, lists them, and removes them."""

    KEY: ClassVar[pytest.StashKey[UnitRegistry]] = pytest.StashKey()

    def __init__(self, session: Session, config: pytest.Config) -> None:
        self._session, self._config = session, config
        self._instances = Instances.of(config)
        self._notes, self._recorder = Notes.of(config), Recorder.of(config)
        self._variants = variants.variants(config)
        self._owner: Owner | None = None
        self._units: dict[Hashable, Units] = {}
        #: service, parameter and the parameter's value → the converted value (see `_read`)
        self._parameters: dict[Hashable, Any] = {}
        #: the units that tests are using now
        self.live: list[Unit] = []
        #: service → the unit or server that the fixture of the service has returned
        self.current: dict[str, Endpoint] = {}
        #: the seconds for which tests waited for their units, one number for each unit
        self.waits: list[float] = []
        #: the names of the units that could not be removed
        self.left: list[str] = []

    @contextlib.contextmanager
    def unit(
        self,
        service: str,
        label: str,
        parameters: Mapping[str, Any],
        *,
        shared: bool = False,
        variant: str = "",
    ) -> Iterator[Endpoint]:
        """Yield an isolation unit of a service, or the shared server if isolation is off or not possible."""
        endpoint = self._session.service(service)
        instance = self._instances[service]
        variant = variant or self._variants.get(service) or next(iter(instance.kit.variants), "")
        if shared or variant == variants.OFF or self._lacks_exports(instance, endpoint):
            yield endpoint
            return
        self._check_reach(instance, variant)
        start = time.perf_counter()
        attributes = {"infra.service": service, "infra.variant": variant}
        try:
            with self._recorder.measured(f"isolate {service}", **attributes):
                units = self._units_of(instance, endpoint, variant, parameters)
                unit = units.acquire(label)
        except InfraError as error:
            raise self._session.failure(("unit", service), error) from None
        if unit.process != service:  # the unit is a copy of the service, which may have been started now
            for on_ready in self._session.on_ready:
                on_ready({unit.process})
        unit.unkeepable = unit.unkeepable or instance.kit.unkeepable
        self.waits.append(time.perf_counter() - start)
        self.live.append(unit)
        process = os.getpid()
        try:
            yield unit
        finally:
            if os.getpid() == process:  # a forked child does not release the unit of its parent
                self.live.remove(unit)
                units.release(unit)

    def upstream(self, service: str) -> str:
        """Return the fixture that must be set up before a unit of a service; empty if there is none."""
        export = self._instances[service].kit.upstream
        return self._instances[self._session.service(service)[export]].fixture if export else ""

    def close(self) -> None:
        """Remove the isolation units of this process, except kept ones; if the stack stops now, none.

        The attribute `left` then contains the names of units that could not be removed.
        """
        for units in self._units.values():
            self.left += units.close()
        for name in self.left:
            self._notes.add_message(f"the unit {name} could not be removed")
        self._units.clear()
        if self._owner is not None:
            self._owner.close()
            self._owner = None

    def abandon(self) -> None:
        """Release no unit in this forked process, because its parent uses the units."""
        forks.keep(self)
        if self._owner is not None:
            self._owner.abandon()

    def _check_reach(self, instance: Instance, variant: str) -> None:
        """Fail the running test if the stack runs in a cluster and the variant needs a local server."""
        if self._session.in_cluster and (need := instance.kit.local_needs.get(variant)):
            service = instance.service
            error = ConfigurationError(
                f"{service}: the isolation {variant!r} needs {need}, and the server runs in a cluster",
                hint=f"Run this test with the local engine (without --infra-engine), or choose another "
                f"isolation, such as `infra_isolation = {service}: off`: all tests then share the server.",
            )
            raise self._session.failure(("reach", service, variant), error)

    def _lacks_exports(self, instance: Instance, endpoint: Endpoint) -> bool:
        """Return whether a service lacks an export that its isolation needs.

        In this case, the message of the service kit is added to the messages of the run.
        """
        missing = [text for export, text in instance.kit.isolation_exports.items() if export not in endpoint]
        for text in missing:
            self._notes.add_message(text.format(service=instance.service))
        return bool(missing)

    def _units_of(
        self, instance: Instance, endpoint: Endpoint, variant: str, parameters: Mapping[str, Any]
    ) -> Units:
        """Return the object that provides isolation units of a service with these parameters.

        Requests with the same variant and equal parameters get the same object.
        """
        kit, remaining_values = instance.kit, dict(parameters)
        parameter_values = {
            parameter.name: self._read(instance, parameter, remaining_values.pop(parameter.name, None))
            for parameter in kit.parameters
        }
        if remaining_values:
            names = ", ".join(parameter.name for parameter in kit.parameters) or "none"
            raise ConfigurationError(
                f"units of {instance.service} have no parameter {', '.join(remaining_values)}; "
                f"their parameters are: {names}"
            )
        key: Hashable = (instance.service, variant, *parameter_values.values())
        if key not in self._units:
            context = KitContext(
                endpoint=endpoint,
                variant=variant,
                parameters=parameter_values,
                owner=self.owner,
                stack=self._session.lease,
                executables=self._session.executables,
                config=self._config,
                resolve=lambda: self._session.resolved(instance.service),
                current=self.current.get,
                alone=lambda: self._session.alone(instance.service),
                exclusive=lambda: self._session.exclusive(instance.service),
                stops=self._session.stops,
            )
            self._units[key] = load(kit.units)(context)
            for on_prepared in self._session.on_prepared:
                on_prepared(instance.service)
        return self._units[key]

    def _read(self, instance: Instance, parameter: Parameter, value: Any) -> Any:
        """Convert a parameter's value with the kit's function; each value is converted only once."""
        key = instance.service, parameter.name, _hashable(value)
        if key not in self._parameters:
            read = load(parameter.read)
            fixture = instance.parameter_fixture(parameter)
            self._parameters[key] = read(value, self._config.rootpath, fixture)
        return self._parameters[key]

    @property
    def owner(self) -> Owner:
        """Return the owner of this process's units in the stack's data directory."""
        if self._owner is None:
            worker = getattr(self._config, "workerinput", {}).get("workerid", "")
            self._owner = Owner(Path(self._notes.data[-1]), worker)
            self._notes.owners.append(self._owner.token)
        return self._owner


def _hashable(value: Any) -> Hashable:
    """Return a hashable copy: lists and dictionaries, also nested ones, become tuples."""
    if isinstance(value, Mapping):
        return tuple((key, _hashable(item)) for key, item in value.items())
    return tuple(map(_hashable, value)) if isinstance(value, (list, tuple)) else value
