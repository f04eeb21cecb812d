"""The table of the Compose engine has every field of a service."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from infra_runtime.engines.compose import mapping
from infra_runtime.services.image_service import ImageServiceSettings
from infra_runtime.services.user_service import UserServiceSettings
from infra_runtime.spec import ServiceSpec

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "export-compose.md"


def test_every_field_of_a_service_has_its_row() -> None:
    """For a new field, decide how it is exported to Compose, and add a row."""
    assert set(mapping.SPEC) == {field.name for field in fields(ServiceSpec)}


def test_every_key_of_a_users_service_has_its_row() -> None:
    assert set(mapping.USER_SERVICE) == set(UserServiceSettings.model_fields)


def test_every_key_of_a_service_with_an_image_has_its_row() -> None:
    assert set(mapping.IMAGE_SERVICE) == set(ImageServiceSettings.model_fields)


def test_the_page_is_generated_from_the_code() -> None:
    """Write it with python -m infra_runtime.engines.compose.mapping > docs/reference/export-compose.md."""
    assert PAGE.read_text(encoding="utf-8") == mapping.page()
