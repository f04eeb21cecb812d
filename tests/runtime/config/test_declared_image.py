"""The table `image` of the stack file."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra_runtime.config import stack_file
from infra_runtime.config.declared_image import ImageSettings, declared_image
from infra_runtime.errors import ConfigurationError


def image_of(folder: Path, text: str) -> ImageSettings:
    (folder / "infra.toml").write_text(text, encoding="utf-8")
    return declared_image(stack_file.find(folder))


def test_the_table_contains_the_settings_of_builds(tmp_path: Path) -> None:
    image = image_of(tmp_path, '[image]\nbase = "a:3.13"\nplatforms = ["linux/arm64"]\npython = "3.13"\n')

    assert (image.base, image.platforms, image.python) == ("a:3.13", ("linux/arm64",), "3.13")
    assert image_of(tmp_path, "") == ImageSettings()
    assert declared_image(None) == ImageSettings()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("image = 'python'\n", "`image` should be a table"),
        ("[image]\nbas = 'python'\n", "unknown key 'bas'"),
        ("[image]\nplatforms = ['windows/amd64']\n", "image.platforms"),
        ("[image]\npython = '2.7'\n", "image.python"),
    ],
)
def test_an_invalid_setting_is_an_error_with_its_line(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem) as error:
        image_of(tmp_path, text)

    assert error.value.where == f"{tmp_path / 'infra.toml'}:{text.count(chr(10))}"
