"""The levels of the spans in the tree of a trace."""

from __future__ import annotations


def levels(parents: dict[str, str]) -> dict[str, int]:
    """Return a mapping from span id to level; a span precedes its children. `parents` maps span to parent id.

    Siblings keep their order. A span whose parent is missing has level 0. If the parents of spans form a
    cycle, one span of the cycle has level 0.
    """
    children: dict[str, list[str]] = {}
    for span, parent in parents.items():
        children.setdefault(parent if parent in parents else "", []).append(span)
    levels: dict[str, int] = {}
    stack = [(span, 0) for span in (*reversed(parents), *reversed(children.get("", [])))]
    while stack:
        span, level = stack.pop()
        if span not in levels:
            levels[span] = level
            stack += [(child, level + 1) for child in reversed(children.get(span, []))]
    return levels
