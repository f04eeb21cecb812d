"""YAML that all parsers read in the same way: every text comes back as it was written."""

from __future__ import annotations

import yaml
from hypothesis import given
from hypothesis import strategies as st

from infra_runtime.engines.yaml_text import dump, inline

TEXTS = (
    *("y", "1e3", "0o7", "", "\n", "a\n", "a\n\n", "\n a\n  b", " a\nb", "a\rb\nc", "\ta\n\tb", "a \nb "),
    *("\U0001f600", "\U0001f600\nb\n", "\u2028", "a\u2028b\nc", "a\x85b", "\x1b[0m", "\x7f", "\ufeffa\nb"),
    *("---\na\n...", "# a\nb", "a: b", "=", "<<", "~", "2001-12-14", "1:20", ".inf", "'", '"', "\\u0041"),
)
loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
texts = st.sampled_from(TEXTS) | st.text(st.characters(codec="utf-8"), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(texts, values, max_size=4))
def test_data_are_read_as_they_were_written(data: dict[str, object]) -> None:
    assert (yaml.load(dump(data), loader) or {}) == data
    assert yaml.load(inline(data), loader) == data


def test_no_character_is_written_with_two_escapes() -> None:
    """kubectl refuses the escapes of a surrogate pair."""
    assert inline({"a": "\U0001f600"}) == '{"a": "\U0001f600"}'
    assert "\n" not in inline({"a": "b\nc\u2028"})
