"""Variables that nearly are ours."""

from __future__ import annotations

import pytest

from fakes.project import Project
from infra_runtime.config.environment import StackSettings
from infra_runtime.config.unknown_variables import NAMES, TABLES, misspelt


def told(project: Project) -> list[str]:
    return [str(it) for it in misspelt(project.root)]


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
def test_a_variable_that_nearly_is_ours_is_told_with_the_one_that_was_meant(
    project: Project, monkeypatch: pytest.MonkeyPatch, name: str, meant: str
) -> None:
    monkeypatch.setenv(name, "x")

    assert told(project) == [f"nothing reads {name}; did you mean {meant}?"]


def test_one_in_dotenv_is_told_with_its_file(project: Project) -> None:
    project.write("INFRA_PROFLE=minimal\nPROFLE=x\n", ".env")

    assert told(project) == [
        f"{project.root / '.env'}: nothing reads INFRA_PROFLE; did you mean INFRA_PROFILE?"
    ]


@pytest.mark.parametrize(
    "name",
    [
        *(f"INFRA_{name}" for name in sorted(NAMES | TABLES)),
        *("INFRA_SERVICE", "INFRA_STACK_TOKEN"),  # a supervisor tells its services so
        *("INFRA_SERVICES__API__ENV__A", "INFRA_PROFILES__TINY", "infra_use"),
        *("INFRA_TEST_PROFILE", "INFRA_TEST_SUITE", "INFRA_CI_RUN", "INFRA_TOKEN", "TERRA_PROFLE", "INFRA_"),
    ],
)
def test_what_is_ours_and_what_is_quite_another_ones_is_passed_over(
    project: Project, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "x")

    assert told(project) == []


def test_every_setting_of_the_stack_is_known() -> None:
    fields = {name.upper() for name in StackSettings.model_fields}

    assert fields <= NAMES | TABLES
    assert len(fields) > len(TABLES)
