"""Divide the Compose models of several environments into a common part and a rest for each environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from infra_runtime.engines.yaml_text import Value

Model = Mapping[str, Value]


def common(models: Sequence[Model]) -> dict[str, Value]:
    """Return the keys and values that all Compose models share, in the order of the first model.

    A list is part of the result only if it is the same in all models.

    Compose appends the lists of an overlay to the lists of the base, so a list must not be in both files.
    """
    first, *others = models
    common_part: dict[str, Value] = {}
    for key, value in first.items():
        if not all(key in other for other in others):
            continue
        values = [other[key] for other in others]
        if all(value == other for other in values):
            common_part[key] = value
        elif isinstance(value, Mapping) and all(isinstance(other, Mapping) for other in values):
            tables = [value, *(other for other in values if isinstance(other, Mapping))]
            if common_table := common(tables):
                common_part[key] = common_table
    return common_part


def rest(model: Model, base: Model) -> dict[str, Value]:
    """Return the part of a Compose model that is not in `base`: `base` merged with it results in `model`."""
    remaining: dict[str, Value] = {}
    for key, value in model.items():
        if key not in base:
            remaining[key] = value
        elif isinstance(value, Mapping) and isinstance(base_table := base[key], Mapping):
            if remaining_table := rest(value, base_table):
                remaining[key] = remaining_table
        elif value != base[key]:
            raise ValueError(f"{key!r} differs from the common part of the models")
    return remaining
