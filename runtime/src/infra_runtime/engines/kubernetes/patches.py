"""The difference between the resources of two environments, as JSON patches for Kustomize.

A strategic merge cannot remove an entry of a list or a key, and merges some lists by a key and replaces
others. A JSON patch results in exactly the resource of the environment. Source: RFC 6902.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from infra_runtime.engines.yaml_text import Value, inline


def patch(base: Mapping[str, Value], wanted: Mapping[str, Value]) -> str:
    """Return the patch that changes the resource `base` to `wanted`, one operation per line; may be empty."""
    operations = [
        {"op": operation, "path": path, **({} if operation == "remove" else {"value": value})}
        for operation, path, value in _operations("", base, wanted)
    ]
    return "".join(f"- {inline(operation)}\n" for operation in operations)


def _operations(path: str, old: Value, new: Value) -> Iterator[tuple[str, str, Value]]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted(old.keys() - new.keys()):
            yield "remove", _joined(path, key), None
        for key, value in new.items():
            inner = _joined(path, key)
            if key not in old:
                yield "add", inner, value
            else:
                yield from _operations(inner, old[key], value)
    elif (
        isinstance(old, Sequence)
        and isinstance(new, Sequence)
        and not isinstance(old, str)
        and not isinstance(new, str)
        and len(old) == len(new)
    ):
        for number, (old_member, new_member) in enumerate(zip(old, new, strict=True)):
            yield from _operations(f"{path}/{number}", old_member, new_member)
    elif old != new:
        yield "replace", path, new


def _joined(path: str, key: str) -> str:
    return f"{path}/{key.replace('~', '~0').replace('/', '~1')}"
