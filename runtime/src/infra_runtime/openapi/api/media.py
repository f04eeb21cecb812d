"""Media types and what they carry: names, ranges, schemas, and how forms are written."""

from __future__ import annotations

from infra_runtime.openapi.document import Site
from infra_runtime.openapi.finding import Direction
from infra_runtime.openapi.ledger import Scope
from infra_runtime.openapi.schema.change import Mode
from infra_runtime.openapi.schema.node import Term

#: Parameters of a media type that don't make it another one.
_IDLE = ("charset=", "boundary=")


def compare(scope: Scope, old: Site, new: Site, direction: Direction) -> None:
    """Tell how `content` changed."""
    before, after = _by_name(old), _by_name(new)
    for name in sorted({**before, **after}):
        first, second = before.get(name), after.get(name)
        if first is not None and second is None:
            # The narrowest range that is left for it takes its place.
            second = _included(name, after)
            if second is None:
                scope.fact("media-type-removed", direction, first, new, name, None, f"media type {name}")
                continue
        elif second is not None and first is None:
            first = _included(name, before)
            if first is None or (direction is Direction.REQUEST and name not in after):
                scope.fact("media-type-added", direction, old, second, None, name, f"media type {name}")
                continue
        if first is not None and second is not None:
            _changed(scope, first, second, direction)


def _by_name(site: Site) -> dict[str, Site]:
    return {_normal(name): media for name, media in site.mapping("content").items()}


def _normal(name: str) -> str:
    kind, *parameters = (part.strip().lower() for part in name.split(";"))
    return ";".join([kind, *sorted(each for each in parameters if each and not each.startswith(_IDLE))])


def _included(name: str, offered: dict[str, Site]) -> Site | None:
    kind = name.partition(";")[0]
    for range_ in (kind, f"{kind.partition('/')[0]}/*", "*/*"):
        if range_ != name and range_ in offered:
            return offered[range_]
    return None


def _changed(scope: Scope, old: Site, new: Site, direction: Direction) -> None:
    old, new = old.followed(), new.followed()
    for key in ("schema", "itemSchema"):
        first, second = _term(old, key), _term(new, key)
        if first or second:
            scope.schema(first, second, Mode(direction), key)
    before, after = old.mapping("encoding"), new.mapping("encoding")
    for part in sorted({**before, **after}):
        one, other = _encoding(before.get(part)), _encoding(after.get(part))
        if one != other:
            place = before.get(part) or old, after.get(part) or new
            scope.fact("encoding-changed", direction, *place, one, other, part)


def _term(site: Site, key: str) -> Term:
    inner = site.child(key)
    return (inner,) if inner is not None else ()


def _encoding(site: Site | None) -> dict[str, object]:
    """What is said of a part, with the defaults of style and explode."""
    if site is None or not isinstance(site.raw, dict):
        return {}
    said = {
        key: site.raw[key]
        for key in ("contentType", "allowReserved")
        if site.raw.get(key) not in (None, False)
    }
    style = site.text("style", "form")
    explode = site.flag("explode", style == "form")
    if style != "form" or not explode:
        said |= {"style": style, "explode": explode}
    return said
