"""Every number in the settings has bounds, so that no typing mistake takes all memory or time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_type_hints

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from fakes.project import Project
from infra_runtime import catalogue, contributions
from infra_runtime.config.environment import StackSettings
from infra_runtime.config.resolve import resolve
from infra_runtime.errors import ConfigurationError
from infra_runtime.manifest import KINDS
from infra_runtime.services.image_service import ImageServiceSettings
from infra_runtime.services.user_service import UserServiceSettings

pytest.importorskip("yaml", reason="the minimal profile has no YAML parser")
from fakes.samples import every
from infra_runtime.config.declared_apis import ApiSettings

#: the other fields of a dataclass, whose numbers are checked after all fields are set
REQUIRED = {contributions.Alert: {"name": "down", "expression": "up == 0"}}
HUGE = [10**22, -(10**22), math.inf, -math.inf, math.nan, "9" * 30, 1e300]
#: fields that also accept each text; the tests of their modules check the bounds of the numbers
FREE = {"arguments"}
MODELS = [catalogue.entry(kind).settings for kind in KINDS]


def hints(model: Any) -> dict[str, Any]:
    """Return a mapping from field name to type, for a model or a dataclass."""
    if issubclass(model, BaseModel):
        return {name: field.annotation for name, field in model.model_fields.items()}
    known = get_type_hints(model, include_extras=True)
    return {field.name: known[field.name] for field in fields(model)}


def parts(annotation: Any) -> Iterator[Any]:
    """Yield a type and all types inside it."""
    yield annotation
    for inner in get_args(annotation):
        yield from parts(inner)


def models(model: Any, seen: set[Any]) -> Iterator[Any]:
    """Yield a model and the models in its fields."""
    if model in seen:
        return
    seen.add(model)
    yield model
    for annotation in hints(model).values():
        for inner in parts(annotation):
            if isinstance(inner, type) and (issubclass(inner, BaseModel) or is_dataclass(inner)):
                yield from models(inner, seen)


def numeric_fields() -> list[tuple[Any, str]]:
    seen: set[Any] = set()
    settings_of_users = [UserServiceSettings, ImageServiceSettings]
    roots = [*MODELS, *settings_of_users, StackSettings, ApiSettings, *contributions.SHAPES.values()]
    return [
        (model, name)
        for root in roots
        for model in models(root, seen)
        for name, annotation in hints(model).items()
        if name not in FREE
        and {int, float} & set(filter(lambda part: isinstance(part, type), parts(annotation)))
    ]


def test_the_search_finds_the_numeric_fields() -> None:
    names = {f"{model.__name__}.{name}" for model, name in numeric_fields()}

    assert {"NatsSettings.accounts", "Stop.seconds", "Length.extra", "Ready.status", "Alert.after"} <= names
    assert {"UserServiceSettings.ports", "CaddySettings.patience", "PostgresPorts.client"} <= names


@every(numeric_fields())
def test_a_number_beyond_all_bounds_is_refused(model: Any, name: str) -> None:
    """A field may contain the number itself, in a list of two, or in a table."""
    adapter: TypeAdapter[Any] = TypeAdapter(model)
    for value_in_file in (form for value in HUGE for form in (value, [value, value], {"main": value})):
        with pytest.raises(ValidationError) as caught:
            adapter.validate_python({**REQUIRED.get(model, {}), name: value_in_file})

        errors = caught.value.errors()
        assert [error for error in errors if name in error["loc"] or f"`{name}`" in error["msg"]], (
            value_in_file
        )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[services.nats]\naccounts = 99999999999999999999999\n", "accounts: input should be less than"),
        ("[services.nats]\nstart_timeout = inf\n", "start_timeout: input should be less than"),
        (f"[services.nats]\naccounts = 1{'0' * 5000}\n", "the file is not TOML"),
        (f"[services.nats]\naccounts = '1{'0' * 5000}'\n", "services.nats.accounts"),
    ],
)
def test_the_error_is_short_and_has_a_location(project: Project, text: str, problem: str) -> None:
    project.write(text)

    with pytest.raises(ConfigurationError, match=problem) as caught:
        resolve(("nats",), directory=project.root, executables=False)

    assert "infra.toml" in caught.value.where
    assert len(str(caught.value)) < 500
