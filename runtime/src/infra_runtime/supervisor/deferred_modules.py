"""Modules of the standard library that a supervisor imports at their first use, not at its start.

asyncio, dataclasses and subprocess import these modules for functions that a supervisor rarely calls, such as
the output of a traceback. Without these imports, a supervisor needs a quarter less processor time to start.
"""

from __future__ import annotations

import sys
from types import ModuleType

TYPE_CHECKING = False  # type checkers recognise this name; the supervisor imports typing later
if TYPE_CHECKING:
    from typing import Any

#: `CO_COROUTINE`. Source: Python documentation, "inspect", "Code Objects Bit Flags"
_COROUTINE = 0x80


class _Deferred(ModuleType):
    """A placeholder for a module. The read of an attribute that is not set imports the real module."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):  # the import system reads these attributes of every module
            raise AttributeError(name)
        return getattr(_imported(self.__name__), name)


def defer() -> None:
    """Add a placeholder to `sys.modules` for each deferred module, before this process imports the module."""
    __import__("concurrent")
    sha = __import__("_sha2" if sys.version_info >= (3, 12) else "_sha256")
    constants = ("FIRST_COMPLETED", "FIRST_EXCEPTION", "ALL_COMPLETED")
    #: name of a module → the attributes that asyncio and dataclasses read at each start
    attributes: dict[str, dict[str, object]] = {
        "concurrent.futures": dict(zip(constants, constants, strict=True)),
        "asyncio.sslproto": {},
        "asyncio.staggered": {},
        "hashlib": {"sha256": sha.sha256},
        "inspect": {"iscoroutinefunction": _is_coroutine_function, "get_annotations": _get_annotations},
        "linecache": {},
        "locale": {},
        "logging": {"getLogger": _Logger, "DEBUG": 10},
        "traceback": {"extract_stack": _extract_stack},
    }
    for name, values in attributes.items():
        sys.modules[name] = module = _Deferred(name)
        vars(module).update(values)
    sys.modules["concurrent"].__dict__["futures"] = sys.modules["concurrent.futures"]


class _Logger:
    """A placeholder for a logger.

    The read of an attribute imports `logging` and returns the real attribute.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def debug(self, *arguments: Any) -> None:
        """Log a message if `logging` was imported; if not, do nothing: by default, the level excludes it."""
        if not isinstance(sys.modules.get("logging"), _Deferred):
            vars(_imported("logging"))["getLogger"](self._name).debug(*arguments)

    def __getattr__(self, name: str) -> object:
        return getattr(vars(_imported("logging"))["getLogger"](self._name), name)


def _extract_stack(*arguments: Any) -> object:
    """Import `traceback` and call its function `extract_stack`, which asyncio needs in its debug mode."""
    return vars(_imported("traceback"))["extract_stack"](*arguments)


def _get_annotations(owner: object, **options: Any) -> object:
    """Return the annotations of a class; for other objects, import `inspect` and call its function."""
    if isinstance(owner, type) and not options:
        return {**vars(owner).get("__annotations__", {})}
    return vars(_imported("inspect"))["get_annotations"](owner, **options)


def _imported(name: str) -> ModuleType:
    """Return the real module with this name; import it if `sys.modules` contains its placeholder."""
    if isinstance(sys.modules.get(name), _Deferred):
        del sys.modules[name]
        __import__(name)
    return sys.modules[name]


def _is_coroutine_function(function: object) -> bool:
    """Return whether a call of a function or method returns a coroutine; a copy of `inspect`'s function."""
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    return code is not None and bool(code.co_flags & _COROUTINE)
