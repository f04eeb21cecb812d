"""The rules as pages of Markdown: `python -m infra_openapi.rules.page docs` writes them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from infra_openapi.rules import RULES, Rule
from infra_openapi.rules.peer import UNTOLD

COMMAND = "python -m infra_openapi.rules.page docs"
RULES_PAGE = Path("reference/api-check-rules.md")
PEER_PAGE = Path("how-to/coming-from-oasdiff.md")
#: what is above it in the peer's page is written by hand
MARK = f"<!-- from here on written by `{COMMAND}`; a test holds it against the rules -->"

_PREFACE = f"""\
# The rules of the API check

<!-- written by `{COMMAND}`; a test holds it against the rules -->

Each kind of change has a rule, with an id that does not change. Its level follows from
[one law](../explanation/api-check-verdicts.md); a rule that deviates says why. `request` is about what a
client sends, `response` about what it receives; in callbacks and webhooks it is the other way round.

`infra dev api-check --explain RULE` tells about one of them, also by its
[id in oasdiff](../how-to/coming-from-oasdiff.md). A stack file gives a rule another level, or `ignore`:

```toml
[api.shop]
snapshot = "openapi.json"
source = "shop.web:app"

[api.shop.rules]
response-enum-value-added = "warning"
```
"""


def rules_page() -> str:
    """Every rule, by area."""
    return "\n".join([_PREFACE, *_areas()])


def _areas() -> Iterator[str]:
    for area, rules in groupby(sorted(RULES.values(), key=_place), key=lambda rule: rule.area):
        yield f"## {area.capitalize()}"
        yield ""
        yield "| rule | level | what it means |"
        yield "| --- | --- | --- |"
        for rule in rules:
            yield f"| `{rule.id}` | {rule.level} | {_cell(_meaning(rule))} |"
        yield ""


def _place(rule: Rule) -> int:
    """Areas in the order in which they first come; within one the rules' own order."""
    areas = list(dict.fromkeys(each.area for each in RULES.values()))
    return areas.index(rule.area)


def _meaning(rule: Rule) -> str:
    return f"{rule.explain} Deviates: {rule.deviation}." if rule.deviation else rule.explain


def peer_table() -> str:
    """The peer's ids, and the rule or rules that tell the same here, or why none does."""
    found: dict[str, list[str]] = {name: [f"none: {reason}"] for name, reason in UNTOLD.items()}
    for rule in RULES.values():
        for alias in rule.aliases:
            found.setdefault(alias, []).append(f"`{rule.id}`")
    rows = [f"| `{alias}` | {', '.join(rules)} |" for alias, rules in sorted(found.items())]
    return "\n".join([MARK, "", "| oasdiff | here |", "| --- | --- |", *rows, ""])


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def pages(docs: Path) -> dict[Path, str]:
    """Each page with what should be in it."""
    by_hand = (docs / PEER_PAGE).read_text(encoding="utf-8").partition(MARK)[0]
    return {docs / RULES_PAGE: rules_page(), docs / PEER_PAGE: by_hand + peer_table()}


if __name__ == "__main__":
    for path, content in pages(Path(sys.argv[1])).items():
        path.write_text(content, encoding="utf-8")
