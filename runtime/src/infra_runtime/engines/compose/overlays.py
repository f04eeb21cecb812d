"""What several Compose models have in common, and what each of them has besides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from infra_runtime.engines.compose.yaml_text import Value

Model = Mapping[str, Value]


def common(models: Sequence[Model]) -> dict[str, Value]:
    """Return the part that all models share, in the order of the first. Lists are shared whole or not at all.

    Compose appends the lists of an overlay to those of the base, so a list may stand in one of them only.
    """
    first, *others = models
    found: dict[str, Value] = {}
    for key, value in first.items():
        if not all(key in other for other in others):
            continue
        values = [other[key] for other in others]
        if all(value == other for other in values):
            found[key] = value
        elif isinstance(value, Mapping) and all(isinstance(other, Mapping) for other in values):
            tables = [value, *(other for other in values if isinstance(other, Mapping))]
            if shared := common(tables):
                found[key] = shared
    return found


def rest(model: Model, base: Model) -> dict[str, Value]:
    """Return what `model` has besides `base`, so that the two merged are the model."""
    found: dict[str, Value] = {}
    for key, value in model.items():
        if key not in base:
            found[key] = value
        elif isinstance(value, Mapping) and isinstance(below := base[key], Mapping):
            if more := rest(value, below):
                found[key] = more
        elif value != base[key]:
            raise ValueError(f"{key!r} differs from what the models share")
    return found
