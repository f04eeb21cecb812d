"""Everything that a page names exists: commands, options, headings behind links; and its blocks are run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

from fakes.pages import PAGES, ROOT, blocks
from infra_cli.main import infra
from pytest_infra.options import OPTIONS

TEXTS = {str(page.relative_to(ROOT)): page.read_text(encoding="utf-8") for page in PAGES}

#: a command line of `infra`, in a span of code or as a line of a block
COMMAND = re.compile(r"(?:`|^\$ |^    |&& |\$\()(infra (?:runtime|config|dev)\b[^`\n&|;)]*)", re.MULTILINE)
FLAG = re.compile(r"--infra-[a-z-]+")
FRAGMENT = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)#([^)\s]+)\)")
#: languages of blocks that are run, or that contain no example
CHECKED_LANGUAGES = {"toml", "python", "console", "ini", "text"}
#: pages whose example is validated by test_api_check_pages.py
CHECKED_ELSEWHERE = {"docs/reference/api-check-json.md"}


def test_every_command_that_a_page_names_exists_with_its_options() -> None:
    lines = {(page, line) for page, text in TEXTS.items() for line in COMMAND.findall(text)}

    assert [(page, line) for page, line in sorted(lines) if unknown(line.split()[1:])] == []


def test_every_option_of_the_plugin_that_a_page_names_exists() -> None:
    options = {f"--{name}" for name in OPTIONS} | {"--infra-update-openapi"}

    unknown_options = {page: set(FLAG.findall(text)) - options for page, text in TEXTS.items()}
    assert {page: names for page, names in unknown_options.items() if names} == {}


def test_the_heading_of_every_link_exists() -> None:
    links = [
        (page, (page.parent / to).resolve() if to else page, name)
        for page in PAGES
        for to, name in FRAGMENT.findall(TEXTS[str(page.relative_to(ROOT))])
    ]
    anchors = {target: headings(target) for _, target, _ in links}

    assert [f"{page}: {to}#{name}" for page, to, name in links if name not in anchors[to]] == []


def test_every_block_that_is_not_run_has_a_reason() -> None:
    unchecked = [
        f"{page.relative_to(ROOT)}:{block.line}"
        for page in PAGES
        for block in blocks(page)
        if not (block.reason or block.title or block.language in CHECKED_LANGUAGES)
        and str(page.relative_to(ROOT)) not in CHECKED_ELSEWHERE
    ]

    assert unchecked == []


def test_every_fence_belongs_to_a_block() -> None:
    assert [page for page in PAGES if page.read_text("utf-8").count("\n```") != 2 * len(blocks(page))] == []


def test_every_python_file_is_used_by_a_later_block() -> None:
    unused = []
    for page in PAGES:
        last_run = max((block.line for block in blocks(page) if block.needs_servers), default=0)
        files = [block for block in blocks(page) if block.title.endswith(".py")]
        unused += [(page, block.title) for block in files if block.line > last_run]

    assert unused == []


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
