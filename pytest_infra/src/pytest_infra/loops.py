"""The event loop of an asynchronous fixture: that of the test which asks, whoever runs the test.

Source: pytest-asyncio's documentation, "Concepts"; anyio's documentation, "Testing with AnyIO".
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Generator
from types import FunctionType
from typing import Any, TypeAlias, cast

import pytest

Function: TypeAlias = Callable[..., AsyncIterator[Any]]


class Loops:
    """Makes fixtures of asynchronous functions, for pytest-asyncio with every loop scope, and for anyio."""

    def __init__(self, config: pytest.Config) -> None:
        self._asyncio = config.pluginmanager.hasplugin("asyncio")
        self._usual_scope = "function"
        with contextlib.suppress(ValueError):  # pytest-asyncio is not there, or older than its 0.26
            self._usual_scope = str(config.getini("asyncio_default_test_loop_scope"))
        #: what pytest was given → the function itself
        self._functions: dict[Callable[..., Any], Function] = {}

    def fixture(self, function: Function, missing: Callable[..., object]) -> object:
        """Return a fixture of that name; `missing` is called where no plugin can run it."""
        if not self._asyncio:
            self._functions[missing] = function
            return pytest.fixture(name=function.__name__)(missing)
        import pytest_asyncio  # it is loaded already

        declared = _copy(function)
        self._functions[declared] = function
        return pytest_asyncio.fixture(declared)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        """Before the others look at the function: let it be one that they run where the test runs."""
        # Before its 1.2 pytest-asyncio has put another function there already.
        function = self._functions.get(fixturedef.func)
        chosen = function and self._chosen(function, request)
        if chosen is None:
            return (yield)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fixturedef, "func", chosen)
            patch.setattr(fixturedef, "argnames", tuple(inspect.signature(chosen).parameters))
            return (yield)

    def _chosen(self, function: Function, request: pytest.FixtureRequest) -> Function | None:
        marker = request.node.get_closest_marker("asyncio")
        if marker is None and "anyio_backend" in request.fixturenames:
            return function
        if not self._asyncio:
            return None
        said = marker.kwargs.get("loop_scope") or marker.kwargs.get("scope") if marker else None
        return _in_loop(function, said or self._usual_scope)


@functools.cache
def _in_loop(function: Function, scope: Any) -> Function:
    import pytest_asyncio

    marked = _copy(function)
    pytest_asyncio.fixture(marked, loop_scope=scope)
    return marked


def _copy(function: Function) -> Function:
    """A function of its own, for a fixture's marks are its function's."""
    of = cast(FunctionType, function)
    copy = FunctionType(of.__code__, of.__globals__, of.__name__, of.__defaults__, of.__closure__)
    copy.__doc__, copy.__kwdefaults__ = of.__doc__, of.__kwdefaults__
    # Not all of its attributes: among them are the marks of fixtures.
    copy.__dict__["__signature__"] = inspect.signature(of)
    return copy
