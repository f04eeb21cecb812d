"""Sort services by their needs; without recursion, because a chain of needs may be long."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def needs_first(names: Iterable[str], needs: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the named services and all services that they need; a service follows its needs.

    `needs` maps each service to the services that it needs; names that are not keys of `needs` are ignored.
    If services need each other in a cycle, one of them precedes a service that it needs.
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


def stop_order(names: Iterable[str], needs: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Return groups of services, in the order in which the groups stop.

    A service stops before the services that it needs; the services of one group stop at the same time.
    """
    remaining = set(names)
    groups: list[list[str]] = []
    while remaining:
        needed = {need for name in remaining for need in needs[name]}
        group = sorted(remaining - needed) or sorted(remaining)
        groups.append(group)
        remaining -= set(group)
    return groups
