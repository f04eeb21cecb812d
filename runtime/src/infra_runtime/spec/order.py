"""Sort services by their needs, without recursion, because a chain of needs can be long."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def needs_first(names: Iterable[str], needs: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the named services and all services that they need; a service follows its needs.

    `needs` maps each service to the services that it needs; names that are not keys of `needs` are ignored.
    In a cycle of needs, one service precedes a service that it needs.
    """
    ordered: dict[str, None] = {}
    visited: set[str] = set()
    pending = [(name, False) for name in reversed(list(names))]
    while pending:
        name, needs_are_ordered = pending.pop()
        if needs_are_ordered:
            ordered[name] = None
        elif name in needs and name not in visited:
            visited.add(name)
            pending.append((name, True))
            pending += [(need, False) for need in reversed(list(needs[name]))]
    return list(ordered)


def stop_order(names: Iterable[str], needs: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Return groups of services in the order of their stop.

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
