"""Sort services by their needs; without recursion, because a chain of needs may be long."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def needs_first(names: Iterable[str], needs: Mapping[str, Iterable[str]]) -> list[str]:
    """Return these services and all services that they need, each after its needs.

    Names that are not in `needs` are left out. In a cycle one service comes before a service that it needs.
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
