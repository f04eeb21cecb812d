"""Everything that a page names exists: commands, options, headings behind links; and its blocks are run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from fakes.pages import PAGES, ROOT, blocks
from infra_cli.main import infra
from pytest_infra.options import OPTIONS

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))

#: a command line of `infra`, in a span of code or as a line of a block
COMMAND = re.compile(r"(?:`|^\$ |^    |&& |\$\()(infra (?:runtime|config|dev)\b[^`\n&|;)]*)", re.MULTILINE)
FLAG = re.compile(r"--infra-[a-z-]+")
FRAGMENT = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)#([^)\s]+)\)")
#: languages of blocks that are run, or that contain no example
CHECKED_LANGUAGES = {"toml", "python", "console", "ini", "text"}
#: pages whose example is validated by test_api_check_pages.py
CHECKED_ELSEWHERE = {"docs/reference/api-check-json.md"}


@pages
def test_a_command_that_a_page_names_exists_with_its_options(page: Path) -> None:
    lines = COMMAND.findall(page.read_text(encoding="utf-8"))

    assert [line for line in lines if unknown(line.split()[1:])] == []


@pages
def test_an_option_of_the_plugin_that_a_page_names_exists(page: Path) -> None:
    options = {f"--{name}" for name in OPTIONS} | {"--infra-update-openapi"}

    assert set(FLAG.findall(page.read_text(encoding="utf-8"))) - options == set()


@pages
def test_the_heading_of_a_link_exists(page: Path) -> None:
    links = FRAGMENT.findall(page.read_text(encoding="utf-8"))

    assert [
        f"{to}#{name}" for to, name in links if name not in headings(page.parent / to if to else page)
    ] == []


@pages
def test_a_block_that_is_not_run_has_a_reason(page: Path) -> None:
    unchecked = [
        block
        for block in blocks(page)
        if not (block.reason or block.title or block.language in CHECKED_LANGUAGES)
    ]

    assert str(page.relative_to(ROOT)) in CHECKED_ELSEWHERE or [block.line for block in unchecked] == []
    assert page.read_text(encoding="utf-8").count("\n```") == 2 * len(blocks(page))


@pages
def test_a_python_file_is_used_by_a_later_block(page: Path) -> None:
    last_run = max((block.line for block in blocks(page) if block.needs_servers), default=0)
    files = [block for block in blocks(page) if block.title.endswith(".py")]

    assert [block.title for block in files if block.line > last_run] == []


def unknown(words: list[str]) -> list[str]:
    """Return the words that are neither commands of `infra` nor options of its commands."""
    command, context = infra, click.Context(infra, info_name="infra")
    while words and isinstance(command, click.Group) and not words[0].startswith("-"):
        subcommand = command.get_command(context, words[0])
        if subcommand is None:
            return words
        command, context = subcommand, click.Context(subcommand, parent=context, info_name=words.pop(0))
    arguments = words[: words.index("--")] if "--" in words else words
    flags = {flag for option in command.params for flag in (*option.opts, *option.secondary_opts)}
    return [word for word in arguments if word.startswith("-") and word.partition("=")[0] not in flags]


def headings(page: Path) -> set[str]:
    """Return the anchors of the headings of a page. Source: GitHub's rule for anchors."""
    return set(_anchors(page.read_text(encoding="utf-8")))


def _anchors(text: str) -> Iterator[str]:
    for heading in re.findall(
        r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE
    ):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        yield re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
