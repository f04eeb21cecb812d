"""The difference between the resources in a cluster and in a plan: names of fields, without their values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra_runtime.engines.kubernetes.live.kubectl import Key, Object
from infra_runtime.value import frozen

#: fields of `metadata` that the server sets with each write
_OF_SERVER = frozenset(
    {"managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink"}
)
#: the longest list of changed fields in a message
_SHOWN = 4


@frozen
class Change:
    """A resource that a deploy creates, changes, creates again or removes."""

    #: `create`, `change`, `recreate` or `remove`
    action: str
    kind: str
    name: str
    #: the paths of the changed fields; empty for all other actions than `change`
    fields: tuple[str, ...] = ()

    def __str__(self) -> str:
        fields = ", ".join(self.fields[:_SHOWN]) + (", …" if len(self.fields) > _SHOWN else "")
        return f"{self.action} {self.kind}/{self.name}" + (f": {fields}" if fields else "")

    def to_json(self) -> dict[str, Any]:
        """Return the change as JSON data."""
        return {"action": self.action, "kind": self.kind, "name": self.name, "fields": list(self.fields)}


def changes(live: Mapping[Key, Object], planned: Mapping[Key, Object]) -> list[Change]:
    """Return the changes from the live to the planned resources, in the order of the planned resources.

    The planned resources are complete, as the server returns them for a dry run.
    """
    result = []
    for (kind, name), resource in planned.items():
        before = live.get((kind, name))
        if before is None:
            result.append(Change(action="create", kind=kind, name=name))
        elif fields := tuple(_paths("", _content(before), _content(resource))):
            result.append(Change(action="change", kind=kind, name=name, fields=fields))
    return result


def removals(live: Mapping[Key, Object], planned: Mapping[Key, Object]) -> list[Change]:
    """Return a change for each resource of the stack that the plan no longer contains: its removal."""
    keys = sorted(live.keys() - planned.keys())
    return [Change(action="remove", kind=kind, name=name) for kind, name in keys]


def _content(resource: Object) -> dict[str, Any]:
    metadata = {name: value for name, value in resource["metadata"].items() if name not in _OF_SERVER}
    rest = {name: value for name, value in resource.items() if name not in {"metadata", "status"}}
    return {**rest, "metadata": metadata}


def _paths(path: str, old: Any, new: Any) -> Iterator[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in sorted({*old, *new}):
            inner = f"{path}.{name}" if path else name
            if name not in old or name not in new:
                yield inner
            else:
                yield from _paths(inner, old[name], new[name])
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (old_member, new_member) in enumerate(zip(old, new, strict=True)):
            yield from _paths(f"{path}[{number}]", old_member, new_member)
    elif old != new:
        yield path
