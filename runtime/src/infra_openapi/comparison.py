"""The comparison of two OpenAPI documents."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping

from infra_openapi import facts
from infra_openapi.api import lifecycle, message, parameter, security, server
from infra_openapi.api.endpoint import Endpoint, endpoints, of_path, template, webhooks
from infra_openapi.change_graph import ChangeGraph, Scope
from infra_openapi.document import Document, Element
from infra_openapi.document.reference import follow
from infra_openapi.errors import CompareError
from infra_openapi.evaluation import findings
from infra_openapi.finding import Direction, Finding, Level, Operation
from infra_openapi.report import Report
from infra_openapi.schema.change import Mode
from infra_openapi.schema.comparison import new_context
from infra_openapi.severity import PRESETS, RuleLevels

__all__ = ["PRESETS", "compare"]


def compare(
    base: Document,
    revision: Document,
    *,
    preset: str = "default",
    overrides: Mapping[str, Level | str] | None = None,
    today: dt.date | None = None,
) -> Report:
    """Return the report of all changes from the old document (`base`) to the new document (`revision`).

    `overrides` maps the id of a rule, or the corresponding id of oasdiff, to a level; the level `ignore`
    disables the rule. A sunset date before `today` has passed.

    Raises:
        CompareError: a reference is invalid, or an override has an unknown rule or level.
    """
    rule_levels = RuleLevels(preset, overrides or {})
    changes: tuple[Finding, ...] = ()
    if not (base.digest == revision.digest and base.alone and revision.alone):
        try:
            walker = Walker(base, revision, today or dt.datetime.now(tz=dt.UTC).date())
            walker.compare()
            changes = findings(walker.graph, walker.starts, rule_levels)
        except RecursionError as error:
            raise CompareError(revision.name, "the document is nested too deeply to be compared") from error
    return Report(
        base=base.name, revision=revision.name, findings=changes, notes=(*base.notes, *revision.notes)
    )


class Walker:
    """Compares the operations of both documents; each operation becomes a scope of the change graph."""

    def __init__(self, base: Document, revision: Document, today: dt.date) -> None:
        self.base, self.revision, self.today = base, revision, today
        self.graph = ChangeGraph(new_context())
        #: Each scope of an operation, with the operation and whether its stability level is `draft` or
        #: `alpha`.
        self.starts: list[tuple[Scope, Operation | None, bool]] = []

    def compare(self) -> None:
        for old, new in self._matched(list(endpoints(self.base)), list(endpoints(self.revision))):
            self._both_or_one(old, new, called=True)
        hooks = {end.name: end for end in webhooks(self.revision)}
        for old in webhooks(self.base):
            self._both_or_one(old, hooks.pop(old.name, None), called=False)
        for new in hooks.values():
            self._both_or_one(None, new, called=False)
        if not self.starts:
            self._library()
        self.graph.settle()

    def _matched(
        self, olds: list[Endpoint], news: list[Endpoint]
    ) -> Iterator[tuple[Endpoint | None, Endpoint | None]]:
        """Yield pairs of old and new operations with an equal path, path template or full address.

        An operation without a counterpart is paired with None.
        """
        for key in (_named, _templated, _addressed):
            waiting = {key(new): new for new in reversed(news)}
            lonely = []
            for old in olds:
                new = waiting.pop(key(old), None)
                if new is None:
                    lonely.append(old)
                else:
                    news.remove(new)
                    yield old, new
            olds = lonely
        for old in olds:
            yield old, None
        for new in news:
            yield None, new

    def _start(self, old: Endpoint | None, new: Endpoint | None) -> Scope:
        number = len(self.starts)
        scope, _ = self.graph.scope(
            ("start", number), old.element if old else None, new.element if new else None
        )
        end = old or new
        self.starts.append((scope, end.name if end else None, bool(old and old.unstable)))
        return scope

    def _both_or_one(self, old: Endpoint | None, new: Endpoint | None, *, called: bool) -> None:
        """Compare an old and a new operation; one of them is None if the operation was added or removed.

        `called` is true if clients call the operation, and false if the API calls it.
        """
        scope = self._start(old, new)
        if old is not None and new is not None:
            self._operation(scope, old, new, called=called)
            return
        end = old or new
        if end is None:
            return
        home = self._home(end, self.revision if old else self.base)
        if old is not None:
            kind = facts.OPERATION_REMOVED if called else facts.CALLBACK_REMOVED
            lifecycle.removed(scope, old, home, self.today, kind)
        else:
            kind = facts.OPERATION_ADDED if called else facts.CALLBACK_ADDED
            scope.fact(kind, Direction.NONE, home, end.element, None, None, str(end.name))

    def _home(self, end: Endpoint, document: Document) -> Element:
        """Return the element of `document` that would contain an operation which the document does not have.

        The element is the path of the operation, or `paths` if the document does not have the path.
        """
        paths = document.root.child("paths")
        return (paths and paths.child(end.name.path)) or paths or document.root

    def _operation(self, scope: Scope, old: Endpoint, new: Endpoint, *, called: bool) -> None:
        sends = Direction.REQUEST if called else Direction.RESPONSE
        if called:
            server.compare(scope, old, new)
            security.compare(scope, old, new)
        parameter.compare(scope, old, new, sends, self.today)
        if self.graph.schemas.equality.same(old.element, new.element):
            return
        lifecycle.compare(scope, old, new)
        message.body(scope, old.element, new.element, sends)
        message.responses(scope, old.element, new.element, sends.inverse)
        self._callbacks(scope, old, new, called=called)

    def _callbacks(self, scope: Scope, old: Endpoint, new: Endpoint, *, called: bool) -> None:
        before, after = self._called_back(old), self._called_back(new)
        for key, first in before.items():
            # The name of a callback is not sent, so callbacks with the same address are the same callback.
            second = after.pop(key, None) or after.pop(
                next((other for other in after if other[1:] == key[1:] and other not in before), key), None
            )
            if second is None:
                lifecycle.removed(scope, first, new.element, self.today, facts.CALLBACK_REMOVED)
                continue
            inner = scope.enter("callback", first.element, second.element, Direction.NONE)
            if inner is not None:
                self._operation(inner, first, second, called=not called)
        for second in after.values():
            scope.fact(
                facts.CALLBACK_ADDED,
                Direction.NONE,
                old.element,
                second.element,
                None,
                None,
                str(second.name),
            )

    def _called_back(self, end: Endpoint) -> dict[tuple[str, str, str], Endpoint]:
        callbacks = {}
        for name, element in end.element.mapping("callbacks").items():
            for expression, item in follow(element).members().items():
                if not expression.startswith("x-"):
                    for inner in of_path(end.document, expression, item):
                        callbacks[name, expression, inner.name.method] = inner
        return callbacks

    def _library(self) -> None:
        """Compare the schemas of documents that have no operations.

        Each schema is compared as a part of requests and as a part of responses.
        """
        places = (self.base.root.child("components"), self.revision.root.child("components"))
        before, after = (place.mapping("schemas") if place else {} for place in places)
        for name in before.keys() & after.keys():
            scope, _ = self.graph.scope(("library", name), before[name], after[name])
            self.starts.append((scope, None, False))
            for direction in (Direction.REQUEST, Direction.RESPONSE):
                scope.schema((before[name],), (after[name],), Mode(direction))


def _named(end: Endpoint) -> tuple[str, str]:
    return end.name.method, end.name.path


def _templated(end: Endpoint) -> tuple[str, str]:
    return end.name.method, template(end.name.path)


def _addressed(end: Endpoint) -> tuple[str, str]:
    return end.name.method, server.prefix(end) + template(end.name.path)
