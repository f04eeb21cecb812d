"""The process of the dashboard refuses a key that can be guessed."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

pytest.importorskip("jinja2", reason="the minimal profile has no templates")
pytest.importorskip("starlette", reason="the minimal profile has no web framework")
pytest.importorskip("uvicorn", reason="the minimal profile has no web server")

from infra_runtime.dashboard.server import key_of
from infra_runtime.errors import ConfigurationError


@pytest.mark.parametrize("key", ["", "hunter2", "changeme", "0" * 64, "abcabc" * 10])
def test_a_key_that_can_be_guessed_is_refused(tmp_path: Path, key: str) -> None:
    (tmp_path / "key.secret").write_text(key, encoding="ascii")

    with pytest.raises(ConfigurationError, match="can be guessed") as error:
        key_of(tmp_path)

    assert not key or key not in str(error.value)


def test_a_random_key_is_accepted(tmp_path: Path) -> None:
    key = secrets.token_hex(32)
    (tmp_path / "key.secret").write_text(f"{key}\n", encoding="ascii")

    assert key_of(tmp_path) == key
