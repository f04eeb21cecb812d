"""Misspelled variables are reported, other variables are not."""

from __future__ import annotations

import pytest

from fakes.project import Project
from infra_runtime.config.environment import StackSettings
from infra_runtime.config.unknown_variables import NAMES, TABLES, misspelled_variables


def messages(project: Project) -> list[str]:
    return [str(variable) for variable in misspelled_variables(project.root)]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("INFRA_PROFLE", "INFRA_PROFILE"),
        ("INFRA_RUNTIME_DIRECTORY", "INFRA_RUNTIME_DIR"),
        ("infra_dta", "INFRA_DATA"),
        ("INFRA_SERVICE__POSTGRES__PORT", "INFRA_SERVICES__POSTGRES__PORT"),
        ("INFRA_SERVICES_POSTGRES_PORT", "INFRA_SERVICES__POSTGRES__PORT"),
        ("INFRA_SERVICES_API__ENV__LOG_LEVEL", "INFRA_SERVICES__API__ENV__LOG_LEVEL"),
    ],
)
def test_a_misspelled_variable_is_reported_with_the_similar_name(
    project: Project, monkeypatch: pytest.MonkeyPatch, name: str, meant: str
) -> None:
    monkeypatch.setenv(name, "x")

    assert messages(project) == [f"{name} is not used; did you mean {meant}?"]


def test_a_misspelled_variable_in_dotenv_is_reported_with_its_file(project: Project) -> None:
    project.write("INFRA_PROFLE=minimal\nPROFLE=x\n", ".env")

    assert messages(project) == [
        f"{project.root / '.env'}: INFRA_PROFLE is not used; did you mean INFRA_PROFILE?"
    ]


@pytest.mark.parametrize(
    "name",
    [
        *(f"INFRA_{name}" for name in sorted(NAMES | TABLES)),
        *("INFRA_SERVICE", "INFRA_STACK_TOKEN"),  # set by the supervisor
        *("INFRA_SERVICES__API__ENV__A", "INFRA_PROFILES__TINY", "infra_use"),
        *("INFRA_TEST_PROFILE", "INFRA_TEST_SUITE", "INFRA_CI_RUN", "INFRA_TOKEN", "TERRA_PROFLE", "INFRA_"),
    ],
)
def test_a_correct_and_a_dissimilar_variable_are_not_reported(
    project: Project, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "x")

    assert messages(project) == []


def test_every_setting_of_the_stack_is_in_the_list() -> None:
    fields = {name.upper() for name in StackSettings.model_fields}

    assert fields <= NAMES | TABLES
    assert len(fields) > len(TABLES)
