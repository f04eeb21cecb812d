"""References to images: host, repository, tag and digest."""

from __future__ import annotations

import pytest

from infra_runtime.errors import ImageError
from infra_runtime.images.reference import as_tag, parse_reference

DIGEST = f"sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("localhost:5000/shop/api:1.2", ("localhost:5000", "shop/api", "1.2", "")),
        (f"registry.example.com/api@{DIGEST}", ("registry.example.com", "api", "", DIGEST)),
        (f"python:3.13@{DIGEST}", ("docker.io", "library/python", "3.13", DIGEST)),
        ("acme/shop", ("docker.io", "acme/shop", "", "")),
        ("[::1]:5000/api:1", ("[::1]:5000", "api", "1", "")),
    ],
)
def test_a_reference_is_split_into_its_parts(text: str, parts: tuple[str, ...]) -> None:
    reference = parse_reference(text)

    assert (reference.registry, reference.repository, reference.tag, reference.digest) == parts


@pytest.mark.parametrize(
    "text", ["localhost:5000/Shop", "localhost:5000/a:b c", "a.b/c@sha256:1", "a.b/", "x/../y"]
)
def test_an_invalid_reference_is_an_error(text: str) -> None:
    with pytest.raises(ImageError, match="the reference has no valid"):
        parse_reference(text)


def test_only_a_registry_on_this_machine_is_local() -> None:
    local = [
        parse_reference(f"{host}/a").is_local for host in ("localhost:1", "127.0.0.2:5000", "[::1]:5000")
    ]

    assert local == [True, True, True]
    assert not parse_reference("registry.example.com:5000/a").is_local


def test_the_name_of_a_branch_becomes_a_tag() -> None:
    assert as_tag("feature/größe#1") == "feature-gr--e-1"
    assert as_tag(".hidden") == "hidden"
