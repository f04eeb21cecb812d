"""Parameters and headers: which there are, whether they must come, and how a value becomes text."""

from __future__ import annotations

from typing import Any

from infra_runtime.openapi.api import media
from infra_runtime.openapi.api.description import Endpoint
from infra_runtime.openapi.api.lifecycle import day, sunset
from infra_runtime.openapi.document import Site
from infra_runtime.openapi.finding import Direction
from infra_runtime.openapi.ledger import Scope
from infra_runtime.openapi.schema.change import Mode
from infra_runtime.openapi.schema.node import Node, Term

_STYLES = {"query": "form", "cookie": "form", "path": "simple", "header": "simple"}
_COMPOUND = frozenset({"array", "object"})


def compare(scope: Scope, old: Endpoint, new: Endpoint, direction: Direction) -> None:
    """Tell how the parameters of an operation changed."""
    before, after = old.parameters(), new.parameters()
    for key in sorted({**before, **after}):
        first, second = before.get(key), after.get(key)
        place = key[0]
        inner = scope.enter(f"parameter {place}", first, second, direction)
        if inner is None:
            continue
        if second is None and first is not None:
            inner.fact("parameter-removed", direction, first, new.site, _name(first), None, _called(first))
        elif first is None and second is not None:
            inner.fact(
                _added(inner, second, place),
                direction,
                old.site,
                second,
                None,
                _name(second),
                _called(second),
            )
        elif first is not None and second is not None:
            _changed(inner, first, second, direction)


def _name(site: Site) -> str:
    return site.text("name")


def _called(site: Site) -> str:
    return f"{site.text('in')} parameter {_name(site)}"


def _must(site: Site) -> bool:
    return site.flag("required") or site.text("in") == "path"


def _has_default(scope: Scope, site: Site) -> bool:
    term = _schema(site)
    return bool(term) and "default" in scope.ledger.comparer.node(term).notes


def _added(scope: Scope, site: Site, place: str) -> str:
    if not _must(site):
        return "parameter-added"
    return "parameter-added-required" + (
        "-with-default" if place != "path" and _has_default(scope, site) else ""
    )


def _changed(scope: Scope, old: Site, new: Site, direction: Direction) -> None:
    subject = _called(new)
    if _must(new) and not _must(old):
        name = "parameter-became-required" + ("-with-default" if _has_default(scope, new) else "")
        scope.fact(name, direction, old, new, False, True, subject)
    elif _must(old) and not _must(new):
        scope.fact("parameter-became-optional", direction, old, new, True, False, subject)
    _toggled(scope, old, new, direction, "allowReserved", word="reserved", subject=subject)
    _toggled(scope, old, new, direction, "allowEmptyValue", word="empty", subject=subject)
    _life(scope, old, new, direction, subject)
    value(scope, old, new, direction, "parameter", subject=subject, place=new.text("in"))


def _toggled(
    scope: Scope, old: Site, new: Site, direction: Direction, key: str, *, word: str, subject: str
) -> None:
    if old.flag(key) != new.flag(key):
        name = f"parameter-{word}-{'allowed' if new.flag(key) else 'forbidden'}"
        scope.fact(name, direction, old, new, old.flag(key), new.flag(key), subject)


def _life(scope: Scope, old: Site, new: Site, direction: Direction, subject: str) -> None:
    was, is_ = old.flag("deprecated"), new.flag("deprecated")
    before, after = sunset(old), sunset(new)
    if was != is_:
        name = "parameter-deprecated" if is_ else "parameter-reactivated"
        scope.fact(name, direction, old, new, before, after, subject)
    elif is_ and before is not None and after is None:
        scope.fact("parameter-sunset-removed", direction, old, new, before, None, subject)
    elif is_:
        first, second = day(before), day(after)
        if first is not None and second is not None and second < first:
            scope.fact("parameter-sunset-earlier", direction, old, new, before, after, subject)


def value(
    scope: Scope, old: Site, new: Site, direction: Direction, kind: str, *, subject: str, place: str
) -> None:
    """Compare what a parameter or header holds: a schema as text, or one media type's content."""
    first, second = old.mapping("content"), new.mapping("content")
    before, after = _serialization(old, place), _serialization(new, place)
    if first and second:
        media.compare(scope, old, new, direction)
        return
    if bool(first) != bool(second):
        scope.fact(f"{kind}-serialization-changed", direction, old, new, before, after, subject)
        return
    one, other = _schema(old), _schema(new)
    style, explode = before
    if style != after[0] or (explode != after[1] and _compound(scope, one, other)):
        scope.fact(
            f"{kind}-serialization-changed", direction, old, new, _shown(before), _shown(after), subject
        )
    exploded = place == "query" and after == ("form", True)
    scope.schema(one, other, Mode(direction, text=True, exploded=exploded))


def _serialization(site: Site, place: str) -> tuple[str, Any]:
    """Style and explode, with the defaults that the place gives them."""
    if site.mapping("content"):
        return "content", sorted(site.mapping("content"))
    style = site.text("style", _STYLES.get(place, "simple"))
    explode = site.flag("explode", style in {"form", "cookie"})
    return style, explode


def _shown(serialization: tuple[str, Any]) -> str:
    style, explode = serialization
    return f"{style}, {'exploded' if explode else 'not exploded'}"


def _compound(scope: Scope, old: Term, new: Term) -> bool:
    """Whether a value of both sides may be an array or object: `explode` says nothing of others."""
    nodes: list[Node] = [scope.ledger.comparer.node(term) for term in (old, new)]
    return all(node.types & _COMPOUND and node.type_site is not None for node in nodes)


def _schema(site: Site) -> Term:
    schema = site.child("schema")
    return (schema,) if schema is not None else ()
