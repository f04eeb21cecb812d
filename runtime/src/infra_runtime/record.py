"""`Record`, a named tuple like `typing.NamedTuple`, but faster at import.

`typing.NamedTuple` compiles code for each class and for each annotation, and the first compilation also
creates the classes of Python's syntax tree. A supervisor defines about 13 named tuples at its start; with
`typing.NamedTuple`, this would take 4 ms.
"""

from __future__ import annotations

from operator import itemgetter

__all__ = ["Record"]

TYPE_CHECKING = False  # type checkers recognise this name; the supervisor imports typing later
if TYPE_CHECKING:
    from typing import Any, Self
    from typing import NamedTuple as Record
else:

    class Record(tuple):  # noqa: SLOT001 - the subclasses decide this
        """The base class of named tuples; the annotations of a subclass are its fields, in their order."""

        _fields: tuple[str, ...] = ()
        _field_defaults: dict[str, Any] = {}  # noqa: RUF012 - each subclass has its own

        def __init_subclass__(cls) -> None:
            cls._fields = cls.__match_args__ = tuple(cls.__annotations__)
            cls._field_defaults = {name: vars(cls)[name] for name in cls._fields if name in vars(cls)}
            for number, name in enumerate(cls._fields):
                setattr(cls, name, property(itemgetter(number)))

        def __new__(cls, *values: Any, **named_values: Any) -> Self:
            for name in cls._fields[len(values) :]:
                if name not in named_values and name not in cls._field_defaults:
                    raise TypeError(f"{cls.__name__}: the field {name!r} is missing")
                values += (named_values.pop(name) if name in named_values else cls._field_defaults[name],)
            if named_values or len(values) > len(cls._fields):
                raise TypeError(f"{cls.__name__}: too many values for the fields {', '.join(cls._fields)}")
            return tuple.__new__(cls, values)

        @classmethod
        def _make(cls, values: Any) -> Self:
            return cls(*values)

        def _asdict(self) -> dict[str, Any]:
            return dict(zip(self._fields, self, strict=True))

        def _replace(self, **changes: Any) -> Self:
            return type(self)(**{**self._asdict(), **changes})

        def __getnewargs__(self) -> tuple[Any, ...]:
            return tuple(self)

        def __repr__(self) -> str:
            values = ", ".join(f"{name}={value!r}" for name, value in self._asdict().items())
            return f"{type(self).__name__}({values})"
