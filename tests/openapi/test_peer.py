"""Every alias is an id of oasdiff, and every id of oasdiff is an alias or has a reason."""

from __future__ import annotations

import pytest

pytest.importorskip("yaml", reason="needs the extra `openapi`")

from infra_openapi.rules import RULES
from infra_openapi.rules.peer import PEER_IDS, WITHOUT_RULE

ALIASES = {alias for rule in RULES.values() for alias in rule.aliases}
#: oasdiff 1.32.1 counts 755 checks in its catalogue; four came after.
KNOWN = 755 + 4


def test_the_list_of_oasdiff_ids_is_complete() -> None:
    assert len(PEER_IDS) == KNOWN
    assert "request-parameter-property-max-length-set" not in PEER_IDS


def test_every_alias_is_an_oasdiff_id() -> None:
    assert ALIASES <= PEER_IDS


def test_every_oasdiff_id_is_an_alias_or_has_a_reason() -> None:
    assert set(WITHOUT_RULE) == PEER_IDS - ALIASES


@pytest.mark.parametrize(
    ("alias", "rule"),
    [
        ("request-parameter-explode-changed", "request-parameter-serialization-changed"),
        ("webhook-removed", "callback-removed"),
        ("response-media-type-name-generalized", "response-media-type-generalized"),
        ("request-body-exclusive-max-set", "request-maximum-added"),
        ("request-property-stability-decreased", "request-schema-stability-decreased"),
    ],
)
def test_an_oasdiff_id_is_an_alias_of_the_corresponding_rule(alias: str, rule: str) -> None:
    assert alias in RULES[rule].aliases
