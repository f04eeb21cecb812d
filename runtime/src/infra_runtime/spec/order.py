"""Sort services by their needs; without recursion, because a chain of needs may be long."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def needs_first(names: Iterable[str], needs: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the named services and all services that they need; a service follows its needs.

    `needs` is service → the services that it needs; names that are not keys of `needs` are left out. In a
    cycle, one service precedes a service that it needs.
    """
    ordered: dict[str, None] = {}
    visited: set[str] = set()
    stack = [(name, False) for name in reversed(list(names))]
    while stack:
        name, needs_are_ordered = stack.pop()
        if needs_are_ordered:
            ordered[name] = None
        elif name in needs and name not in visited:
            visited.add(name)
            stack.append((name, True))
            stack += [(need, False) for need in reversed(list(needs[name]))]
    return list(ordered)
