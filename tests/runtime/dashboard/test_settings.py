"""The settings of a stack, which a separate process resolves once per stack file."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from infra_runtime.dashboard import settings
from infra_runtime.errors import ConfigurationError

pytestmark = pytest.mark.process


def test_each_setting_has_its_value_and_its_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "infra.toml").write_text(
        '[services.api]\ncommand = ["api"]\nenv = { TOKEN = "hunter2" }\n', encoding="utf-8"
    )

    values = settings.read(tmp_path, tmp_path / "data")

    assert values["services.api.command"] == ('["api"]', "infra.toml:2")
    assert values["services.api.restart"][1] == "default"
    assert "hunter2" not in str(values["services.api.env.TOKEN"])

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("the plan is in the cache")

    monkeypatch.setattr(subprocess, "run", refuse)
    assert settings.read(tmp_path, tmp_path / "data") == values


def test_an_error_in_the_stack_file_has_its_location(tmp_path: Path) -> None:
    (tmp_path / "infra.toml").write_text(
        '[services.api]\ncommand = ["api"]\ncomand = ["api"]\n', encoding="utf-8"
    )

    with pytest.raises(ConfigurationError, match="comand") as error:
        settings.read(tmp_path, tmp_path / "data")

    assert "infra.toml" in str(error.value)
    assert error.value.hint
