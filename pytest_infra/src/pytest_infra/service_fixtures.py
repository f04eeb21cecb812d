"""The fixtures of each service (isolation unit, parameters, clients), created from the service's kit."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from inspect import Parameter as Argument
from inspect import Signature
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from pytest_infra import variants
from pytest_infra.instances import Instance, Instances
from pytest_infra.kit import KitFixture, Parameter, Scope, load
from pytest_infra.loops import Loops

if TYPE_CHECKING:
    from infra_runtime.engines.local.stack import Endpoint

#: library → the requirement that installs it, for fixtures without a kind
INSTALL = {"httpx": "pytest-infra[clients]", "pytest_asyncio": "pytest-infra[clients]"}
HTTP = (
    KitFixture(
        name="http_client",
        function="pytest_infra.http_clients:http_client",
        summary='Creates httpx clients for the URL of a service: `http_client("api").get("/orders")`.',
        arguments={},
    ),
    KitFixture(
        name="http_async_client",
        function="pytest_infra.http_clients:http_async_client",
        summary='Creates asynchronous httpx clients: `await http_async_client("api").get("/orders")`.',
        arguments={},
        asynchronous=True,
    ),
)


def plugin_of(config: pytest.Config) -> ModuleType:
    """Return a pytest plugin with the fixtures of all services.

    If another plugin already has a fixture of the same name, the fixture is not created, except for the
    `replaced_plugins` of a kit.
    """
    plugin = ModuleType("pytest_infra.services")
    loops, scopes = Loops(config), variants.scopes(config)
    plugins = [
        (name, getattr(other_plugin, "__dict__", {}))
        for name, other_plugin in config.pluginmanager.list_name_plugin()
    ]
    for name, instance in Instances.of(config).fixtures().items():
        fixtures = {name: _unit_fixture(instance, scopes.get(instance.service, "function"))}
        for parameter in instance.kit.parameters:
            fixtures[instance.parameter_fixture(parameter)] = _parameter_fixture(instance, parameter)
        for fixture in instance.kit.fixtures:
            fixtures[fixture.name.format(service=name)] = _client_fixture(fixture, instance, loops)
        plugin.__dict__.update(_not_taken(fixtures, plugins, instance.kit.replaced_plugins))
    http = {fixture.name: _client_fixture(fixture, None, loops) for fixture in HTTP}
    plugin.__dict__.update(_not_taken(http, plugins, frozenset()))
    plugin.__dict__["pytest_fixture_setup"] = loops.pytest_fixture_setup
    return plugin


def add_parameter_options(parser: pytest.Parser, config: pytest.Config) -> None:
    """Add the ini values of the parameters of all services; each value is a string or a list of strings.

    In the table `[tool.pytest]`, pytest accepts a value only if it has the declared type. Therefore an ini
    value is declared as a list, or as a string if pytest does not accept its value as a list.
    """
    for instance in Instances.of(config).fixtures().values():
        for parameter in instance.kit.parameters:
            name = instance.parameter_fixture(parameter)
            parser.addini(name, parameter.summary, type="linelist")
            try:
                config.getini(name)
            except (TypeError, pytest.UsageError):
                parser.addini(name, parameter.summary, default="")


def _not_taken(
    fixtures: Mapping[str, object],
    plugins: Iterable[tuple[str, Mapping[str, object]]],
    replaced: frozenset[str],
) -> dict[str, object]:
    """Return the fixtures whose names no other plugin has; the plugins in `replaced` are ignored."""
    others = [names for plugin, names in plugins if plugin not in replaced]
    return {
        name: fixture
        for name, fixture in fixtures.items()
        if not any(_is_fixture(names.get(name)) for names in others)
    }


def _is_fixture(value: object) -> bool:
    """Return whether an attribute of a plugin is a pytest fixture.

    Source: pytest 8.4, `FixtureFunctionDefinition`; in older versions, a fixture is a function with a mark.
    """
    return hasattr(value, "_fixture_function_marker") or hasattr(value, "_pytestfixturefunction")


# pytest reads the dependencies of a fixture from its arguments, for `--setup-plan`, overriding and scopes. In
# this module, the names of the arguments are data, so each function gets a `__signature__`.


def _with_signature(function: Any, name: str, summary: str, arguments: Iterable[str]) -> Any:
    function.__name__ = name
    function.__doc__ = summary
    keyword = Argument.KEYWORD_ONLY
    function.__signature__ = Signature([Argument(argument, keyword) for argument in ("request", *arguments)])
    return function


def _unit_fixture(instance: Instance, scope: Scope) -> object:
    parameters = {
        parameter.name: instance.parameter_fixture(parameter) for parameter in instance.kit.parameters
    }

    def unit(request: pytest.FixtureRequest, **values: Any) -> Iterator[Endpoint]:
        from pytest_infra.process import unit_registry_of

        service = instance.service
        registry = unit_registry_of(request.config)
        if fixture := registry.upstream(service):
            request.getfixturevalue(fixture)
        with registry.unit(
            service,
            request.node.nodeid,
            {
                **{name: values[fixture] for name, fixture in parameters.items()},
                **variants.parameters(request, service),
            },
            shared=variants.shared(request, service),
            variant=variants.marked_variant(request, service),
        ) as endpoint:
            registry.current[service] = endpoint
            try:
                yield endpoint
            finally:
                registry.current.pop(service, None)

    summary = f"The test's isolation unit of {instance.service}: `{instance.fixture}.url`."
    function = _with_signature(unit, instance.fixture, summary, parameters.values())
    return pytest.fixture(name=instance.fixture, scope=scope)(function)


def _parameter_fixture(instance: Instance, parameter: Parameter) -> object:
    name = instance.parameter_fixture(parameter)

    def value(request: pytest.FixtureRequest) -> object:
        lines = request.config.getini(name)
        return lines if isinstance(lines, str) else "\n".join(lines)

    summary = f"For the units of {instance.service}: {parameter.summary}."
    summary += " Override this fixture to use another value."
    return pytest.fixture(name=name, scope="session")(_with_signature(value, name, summary, ()))


def _client_fixture(fixture: KitFixture, instance: Instance | None, loops: Loops) -> object:
    service = instance.fixture if instance else ""
    name = fixture.name.format(service=service)
    arguments = {key: value.format(service=service) for key, value in fixture.arguments.items()}
    install = {**INSTALL, **(instance.kit.install if instance else {})}

    def open_client(request: pytest.FixtureRequest, values: Mapping[str, Any]) -> Any:
        from pytest_infra.kit_context import FixtureContext

        context = FixtureContext(
            fixture=name, service=instance.service if instance else "", install=install, request=request
        )
        return load(fixture.function)(context, **{key: values[name] for key, name in arguments.items()})

    def synchronous(request: pytest.FixtureRequest, **values: Any) -> Iterator[Any]:
        from pytest_infra import forks

        yield from forks.ended_by_its_process(open_client(request, values))

    async def asynchronous(request: pytest.FixtureRequest, **values: Any) -> AsyncIterator[Any]:
        async with contextlib.aclosing(open_client(request, values)) as client:
            async for value in client:
                yield value

    function = asynchronous if fixture.asynchronous else synchronous
    _with_signature(function, name, fixture.summary.format(service=service), arguments.values())
    if fixture.asynchronous:
        return loops.fixture(asynchronous, _without_loop(name, asynchronous.__doc__))
    return pytest.fixture(name=name, scope=fixture.scope)(function)


def _without_loop(name: str, summary: str | None) -> Callable[[pytest.FixtureRequest], None]:
    """Return the function of an asynchronous fixture for runs without pytest-asyncio and anyio.

    The returned function fails with a message.
    """

    def missing(request: pytest.FixtureRequest) -> None:
        from pytest_infra.kit_context import FixtureContext

        context = FixtureContext(fixture=name, service="", install=INSTALL, request=request)
        context.library("pytest_asyncio")
        pytest.fail(
            f"{name} needs pytest-asyncio or anyio: remove the option `-p no:asyncio`, or add the marker "
            "`@pytest.mark.anyio` to the test",
            pytrace=False,
        )

    missing.__doc__ = summary
    return missing
