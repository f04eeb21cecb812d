"""Compare the resources of two environments; the differences are JSON patches for Kustomize.

The other kind of patch, a strategic merge, cannot remove keys or members of lists; it merges some lists and
replaces others. A JSON patch results in exactly the resource of the environment. Source: RFC 6902.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from infra_runtime.engines.yaml_text import Value, inline


def patch(base: Mapping[str, Value], target: Mapping[str, Value]) -> str:
    """Return the patch that changes the resource `base` to `target`, one operation per line; may be empty."""
    operations = [
        {"op": operation, "path": path, **({} if operation == "remove" else {"value": value})}
        for operation, path, value in _operations("", base, target)
    ]
    return "".join(f"- {inline(operation)}\n" for operation in operations)


def _operations(path: str, base: Value, target: Value) -> Iterator[tuple[str, str, Value]]:
    if isinstance(base, Mapping) and isinstance(target, Mapping):
        for key in sorted(base.keys() - target.keys()):
            yield "remove", _joined(path, key), None
        for key, value in target.items():
            key_path = _joined(path, key)
            if key not in base:
                yield "add", key_path, value
            else:
                yield from _operations(key_path, base[key], value)
    elif (
        isinstance(base, Sequence)
        and isinstance(target, Sequence)
        and not isinstance(base, str)
        and not isinstance(target, str)
        and len(base) == len(target)
    ):
        for number, (base_member, target_member) in enumerate(zip(base, target, strict=True)):
            yield from _operations(f"{path}/{number}", base_member, target_member)
    elif base != target:
        yield "replace", path, target


def _joined(path: str, key: str) -> str:
    return f"{path}/{key.replace('~', '~0').replace('/', '~1')}"
