"""An alias is an id that the peer has, and every id of the peer is an alias or has a reason not to be one."""

from __future__ import annotations

import pytest

pytest.importorskip("yaml", reason="the bare install reads no OpenAPI; pytest-infra[openapi] does")

from infra_openapi.rules import RULES
from infra_openapi.rules.peer import PEER_IDS, WITHOUT_RULE

ALIASES = {alias for rule in RULES.values() for alias in rule.aliases}
#: oasdiff 1.32.1 counts 755 checks in its catalogue; four came after.
KNOWN = 755 + 4


def test_the_list_of_the_peer_s_ids_is_whole() -> None:
    assert len(PEER_IDS) == KNOWN
    assert "request-parameter-property-max-length-set" not in PEER_IDS


def test_every_alias_is_an_id_that_the_peer_has() -> None:
    assert ALIASES <= PEER_IDS


def test_every_id_of_the_peer_is_told_here_or_has_a_reason_not_to_be() -> None:
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
def test_who_comes_from_the_peer_finds_the_rule_by_its_id(alias: str, rule: str) -> None:
    assert alias in RULES[rule].aliases
