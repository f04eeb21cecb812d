"""Divide the Compose models of several environments into a common part and one remaining part for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from infra_runtime.engines.yaml_text import Value

Model = Mapping[str, Value]


def common(models: Sequence[Model]) -> dict[str, Value]:
    """Return the keys and values that all Compose models share, in the order of the first model.

    A list is in the result only if it is equal in all models: Compose appends the list of an overlay to the
    list of the base file, so a list must not be in both files.
    """
    first_model, *other_models = models
    common_part: dict[str, Value] = {}
    for key, value in first_model.items():
        if not all(key in model for model in other_models):
            continue
        values = [model[key] for model in other_models]
        if all(value == model for model in values):
            common_part[key] = value
        elif isinstance(value, Mapping) and all(isinstance(model, Mapping) for model in values):
            tables = [value, *(model for model in values if isinstance(model, Mapping))]
            if common_table := common(tables):
                common_part[key] = common_table
    return common_part


def rest(model: Model, base: Model) -> dict[str, Value]:
    """Return the part of a Compose model that is not in `base`; merged with `base`, it results in `model`."""
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
