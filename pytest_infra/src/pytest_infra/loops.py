"""Asynchronous fixtures that run in the event loop of the test, both with pytest-asyncio and with anyio.

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
    """The asynchronous fixtures of this plugin, for pytest-asyncio (every loop scope) and anyio."""

    def __init__(self, config: pytest.Config) -> None:
        self._asyncio = config.pluginmanager.hasplugin("asyncio")
        self._default_scope = "function"
        with contextlib.suppress(ValueError):  # pytest-asyncio is not installed, or older than 0.26
            self._default_scope = str(config.getini("asyncio_default_test_loop_scope"))
        #: the function that was registered with pytest → the original function
        self._functions: dict[Callable[..., Any], Function] = {}

    def fixture(self, function: Function, missing: Callable[..., object]) -> object:
        """Return a fixture that runs an asynchronous function in the event loop of the test.

        If no plugin for asynchronous tests is active, the fixture calls `missing` instead.
        """
        if not self._asyncio:
            self._functions[missing] = function
            return pytest.fixture(name=function.__name__)(missing)
        import pytest_asyncio  # pytest has already imported the plugin

        declared = _copy(function)
        self._functions[declared] = function
        return pytest_asyncio.fixture(declared)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        """Replace the function of an asynchronous fixture of this plugin, before other plugins read it.

        The new function runs in the event loop of the test.
        """
        # pytest-asyncio before 1.2 has already replaced the function, so `_functions` does not contain it.
        function = self._functions.get(fixturedef.func)
        replacement = function and self._replacement(function, request)
        if replacement is None:
            return (yield)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fixturedef, "func", replacement)
            patch.setattr(fixturedef, "argnames", tuple(inspect.signature(replacement).parameters))
            return (yield)

    def _replacement(self, function: Function, request: pytest.FixtureRequest) -> Function | None:
        marker = request.node.get_closest_marker("asyncio")
        if marker is None and "anyio_backend" in request.fixturenames:
            return function
        if not self._asyncio:
            return None
        scope = marker.kwargs.get("loop_scope") or marker.kwargs.get("scope") if marker else None
        return _in_loop(function, scope or self._default_scope)


@functools.cache
def _in_loop(function: Function, scope: Any) -> Function:
    import pytest_asyncio

    marked = _copy(function)
    pytest_asyncio.fixture(marked, loop_scope=scope)
    return marked


def _copy(function: Function) -> Function:
    """Return a copy of a function, because pytest-asyncio writes the loop scope into the function."""
    original = cast(FunctionType, function)
    copy = FunctionType(
        original.__code__,
        original.__globals__,
        original.__name__,
        original.__defaults__,
        original.__closure__,
    )
    copy.__doc__, copy.__kwdefaults__ = original.__doc__, original.__kwdefaults__
    # Other attributes are not copied, because they include the marks of fixtures.
    copy.__dict__["__signature__"] = inspect.signature(original)
    return copy
