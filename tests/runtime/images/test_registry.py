"""The registry client against a small registry: copies, logins, referrers, and the faults of a registry."""

from __future__ import annotations

import re
import resource
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fakes.base_image import bare_base
from fakes.registry import PASSWORD, USER, FakeRegistry, fake_registry
from infra_runtime.binaries import lockfile
from infra_runtime.errors import ImageError, IntegrityError
from infra_runtime.host import file_lock
from infra_runtime.images import documents
from infra_runtime.images.base_image import Source, open_base
from infra_runtime.images.credentials import Credentials
from infra_runtime.images.layout import Layout
from infra_runtime.images.reference import parse_reference

pytest.importorskip("httpx", reason="the minimal profile has no HTTP client")

import httpx

from infra_runtime.images.registry import Registry

pytestmark = pytest.mark.process


@pytest.fixture
def server() -> Iterator[FakeRegistry]:
    with fake_registry() as registry:
        yield registry


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return bare_base(tmp_path / "base", architectures=("amd64", "arm64"))


def connect(server: FakeRegistry, login: Credentials | None = None) -> Registry:
    return Registry(parse_reference(f"{server.address}/shop/api"), credentials=lambda _: login)


def pushed(server: FakeRegistry, layout: Layout) -> None:
    with connect(server) as registry:
        registry.push(layout, layout.find(), ["1.2", "main"])


def test_an_index_with_its_images_is_pushed_and_pulled_without_changes(
    server: FakeRegistry, layout: Layout, tmp_path: Path
) -> None:
    image = layout.find()
    pushed(server, layout)
    copy = Layout.create(tmp_path / "copy")
    with connect(server) as registry:
        pulled = registry.pull("1.2", copy)
    copy.save([pulled])

    assert (pulled.digest, pulled.media_type) == (image.digest, documents.INDEX)
    assert {name for _, name in server.manifests if ":" not in name} == {"1.2", "main"}
    assert {*copy.tree(pulled)} == {*layout.tree(image)}
    assert all(copy.read(blob) == layout.read(blob) for blob in layout.closure(image))


def test_blobs_that_exist_are_not_sent_again(server: FakeRegistry, layout: Layout) -> None:
    pushed(server, layout)
    server.requests.clear()
    pushed(server, layout)

    assert not [
        request for request in server.requests if request.startswith(("POST", "PUT /v2/shop/api/blobs"))
    ]


@pytest.mark.parametrize("scheme", ["Basic", "Bearer"])
def test_a_registry_with_a_login_gets_the_credentials(
    server: FakeRegistry, layout: Layout, scheme: str, tmp_path: Path
) -> None:
    server.login = scheme
    with connect(server, Credentials(user=USER, password=PASSWORD)) as registry:
        registry.push(layout, layout.find(), ["1"])
    with connect(server, Credentials(user=USER, password=PASSWORD)) as registry:
        assert registry.pull("1", Layout.create(tmp_path / "copy")).digest == layout.find().digest

    for login in (None, Credentials(user=USER, password="mistyped")):
        with connect(server, login) as registry, pytest.raises(ImageError, match="401") as error:
            registry.pull("1", Layout.create(tmp_path / "other"))
        assert f"docker login {server.address}" in error.value.hint
        assert "mistyped" not in str(error.value)


@pytest.mark.parametrize(
    ("status", "reason", "hint"),
    [
        (403, "the credentials do not permit this request", "docker login "),
        (404, "the registry does not have this image or repository", "the name and the tag"),
        (413, "a blob is too large for the registry or for a proxy before it", "the limit"),
        (418, "a registry does not use this status", "the proxy"),
        (429, "the registry limits the number of requests", "again later"),
        (500, "the registry has an internal error", "again later"),
        (503, "the registry has an internal error", "again later"),
    ],
)
def test_an_error_has_request_status_and_code(
    server: FakeRegistry, tmp_path: Path, status: int, reason: str, hint: str
) -> None:
    server.statuses["GET /v2/shop/api/manifests"] = status

    with connect(server) as registry, pytest.raises(ImageError) as error:
        registry.pull("1.2", Layout.create(tmp_path / "copy"))
    assert str(error.value) == (
        f"{server.address}/shop/api: {status} for GET manifests/1.2: {reason} (FAULT: of the test)"
    )
    assert hint in error.value.hint


def test_a_manifest_of_another_type_is_named(server: FakeRegistry, tmp_path: Path) -> None:
    kind = "application/vnd.docker.distribution.manifest.v1+prettyjws"
    server.manifests["shop/api", "1"] = (kind, b'{"schemaVersion": 1}')

    with connect(server) as registry, pytest.raises(ImageError, match=re.escape(kind)):
        registry.pull("1", Layout.create(tmp_path / "copy"))


@pytest.mark.parametrize(("added", "problem"), [(-1, r"has \d+ instead of"), (1, "has more instead of")])
def test_a_blob_with_another_size_is_not_stored(
    server: FakeRegistry, layout: Layout, tmp_path: Path, added: int, problem: str
) -> None:
    pushed(server, layout)
    for digest, content in server.blobs.items():
        server.blobs[digest] = content[:added] if added < 0 else content + b"x"
    copy = Layout.create(tmp_path / "copy")

    with connect(server) as registry, pytest.raises(IntegrityError, match=problem):
        registry.pull("1.2", copy)
    assert list((copy.folder / "blobs" / "sha256").iterdir()) == []


def test_half_a_blob_is_not_stored(server: FakeRegistry, layout: Layout, tmp_path: Path) -> None:
    pushed(server, layout)
    server.sent = 0.5
    copy = Layout.create(tmp_path / "copy")

    with connect(server) as registry, pytest.raises(ImageError, match="closed the connection before the end"):
        registry.pull("1.2", copy)
    assert list((copy.folder / "blobs" / "sha256").iterdir()) == []


def test_a_changed_blob_is_not_stored(server: FakeRegistry, layout: Layout, tmp_path: Path) -> None:
    pushed(server, layout)
    server.flipped = True
    copy = Layout.create(tmp_path / "copy")

    with (
        connect(server) as registry,
        pytest.raises(IntegrityError, match=r"the bytes of sha256:\w+ have the digest"),
    ):
        registry.pull("1.2", copy)
    assert list((copy.folder / "blobs" / "sha256").iterdir()) == []


def test_a_changed_manifest_is_an_error(server: FakeRegistry, layout: Layout, tmp_path: Path) -> None:
    pushed(server, layout)
    digest = layout.find().digest
    server.manifests["shop/api", digest] = (documents.INDEX, b'{"manifests":[]}')

    with connect(server) as registry, pytest.raises(IntegrityError, match=f"instead of {digest}"):
        registry.pull(digest, Layout.create(tmp_path / "copy"))


def test_a_damaged_layout_is_not_pushed(server: FakeRegistry, layout: Layout) -> None:
    blob = next(iter(layout.closure(layout.find())))
    layout.path(blob.digest).write_bytes(b"x" * blob.size)

    with connect(server) as registry, pytest.raises(IntegrityError, match="have the digest"):
        registry.push(layout, layout.find(), ["1"])
    assert server.manifests == {}


@pytest.mark.parametrize("has_api", [True, False])
def test_an_sbom_is_a_referrer_with_and_without_the_api(
    server: FakeRegistry, layout: Layout, has_api: bool
) -> None:
    server.has_referrers = has_api
    pushed(server, layout)
    image = layout.find()
    with connect(server) as registry:
        registry.attach(image, "application/sbom", b"{}\n", "a.json", created="2025-06-15T15:06:40Z")
        registry.attach(image, "application/other", b"[]", "b.json", created="2025-06-15T15:06:40Z")
        registry.attach(image, "application/sbom", b"{}\n", "a.json", created="2025-06-15T15:06:40Z")
        referrers = registry.referrers(image.digest)

    assert [referrer.artifact_type for referrer in referrers] == [
        "application/other",
        "application/sbom",
    ] or has_api
    assert {referrer.artifact_type for referrer in referrers} == {"application/other", "application/sbom"}
    assert len(referrers) == 2


@pytest.mark.parametrize(
    ("headers", "body", "problem"),
    [
        ({"WWW-Authenticate": 'Bearer realm="http://token.example/"'}, "[]", "answers 200 without a token"),
        (
            {"WWW-Authenticate": 'Bearer realm="http://token.example/"'},
            "<html>",
            "answers 200 without a token",
        ),
        ({"WWW-Authenticate": 'Bearer realm="http://[token/"'}, "", "without a token"),
        ({"WWW-Authenticate": "Bearer"}, "", "does not send the address of the token server"),
        ({"WWW-Authenticate": "Negotiate"}, "<html>", "401 for GET manifests/1"),
        ({}, '{"errors": ["no"]}', "401 for GET manifests/1"),
        ({}, "[]", "401 for GET manifests/1"),
    ],
)
def test_an_unusual_answer_to_a_missing_login_is_an_error(
    tmp_path: Path, headers: dict[str, str], body: str, problem: str
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "token.example":
            return httpx.Response(200, text=body)
        return httpx.Response(401, text=body, headers=headers)

    transport, reference = httpx.MockTransport(answer), parse_reference("localhost:1/shop/api")
    with (
        Registry(reference, credentials=lambda _: None, transport=transport) as registry,
        pytest.raises(ImageError, match=problem),
    ):
        registry.pull("1", Layout.create(tmp_path / "copy"))


@pytest.mark.parametrize("location", ["http://[", "//host:port/a", "/a"])
def test_an_upload_to_an_unusual_address_ends_or_is_an_error(layout: Layout, location: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        statuses = {"HEAD": 404, "POST": 202, "PUT": 201}
        return httpx.Response(statuses[request.method], headers={"Location": location})

    transport, reference = httpx.MockTransport(answer), parse_reference("localhost:1/shop/api")
    with Registry(reference, credentials=lambda _: None, transport=transport) as registry:
        if location == "/a":
            registry.push(layout, layout.find(), ["1"])
            return
        with pytest.raises(ImageError, match="an invalid address"):
            registry.push(layout, layout.find(), ["1"])


def test_a_registry_that_does_not_answer_is_named(tmp_path: Path) -> None:
    with fake_registry() as server:
        address = server.address
    with (
        Registry(parse_reference(f"{address}/api"), credentials=lambda _: None) as registry,
        pytest.raises(ImageError, match=f"{address}: the registry cannot be reached"),
    ):
        registry.pull("1", Layout.create(tmp_path / "copy"))


def test_the_digest_of_a_base_image_is_locked_and_the_image_pulled_once(
    server: FakeRegistry, layout: Layout, tmp_path: Path
) -> None:
    pushed(server, layout)
    name, digest = f"{server.address}/shop/api:1.2", layout.find().digest
    lock, lines = tmp_path / "infra.lock", list[str]()

    def opened(text: str) -> str:
        source = open_base(text, tmp_path / "cache", tmp_path / "unused", lock=lock, report=lines.append)
        assert source.name.endswith(f"@{digest}")
        return source.image.digest

    first = opened(name)
    server.requests.clear()
    server.statuses["GET /v2/shop/api/manifests/1.2"] = 500  # the tag is not needed again
    again = [opened(name), opened(f"{name}@{digest}")]

    assert {first, *again} == {digest}
    assert lockfile.read(lock).images == {name: digest}
    assert lines == [f"{lock}: {name} has the digest {digest}"]
    assert server.requests == []


def pushed_base(server: FakeRegistry, layout: Layout, folder: Path, **options: Any) -> Callable[[], Source]:
    """Push an image; return a function that opens it as a base image, with the cache in a folder."""
    pushed(server, layout)
    name = f"{server.address}/shop/api@{layout.find().digest}"
    lock = folder / "infra.lock"
    return partial(open_base, name, folder / "cache", folder / "unused", lock=lock, **options)


def test_a_full_disk_during_a_pull_is_an_error_with_the_folder(
    server: FakeRegistry, layout: Layout, tmp_path: Path
) -> None:
    open_it = pushed_base(server, layout, tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(
            ImageError, match=re.escape(f"{tmp_path}/cache: a file cannot be written")
        ) as error:
            open_it()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert "XDG_CACHE_HOME" in error.value.hint
    assert open_it().layout.is_complete(layout.find())


def test_a_cache_that_is_not_a_folder_is_an_error_without_the_claim_that_the_disk_is_full(
    tmp_path: Path,
) -> None:
    (tmp_path / "cache").write_text("")

    with pytest.raises(ImageError, match="Not a directory") as error:
        open_base(
            f"registry.example/api@sha256:{'a' * 64}",
            tmp_path / "cache",
            tmp_path / "unused",
            lock=tmp_path / "infra.lock",
        )

    assert error.value.hint.startswith("Check the owner and the free space of the folder.")


def test_a_base_image_whose_blob_is_missing_in_the_cache_is_pulled_again(
    server: FakeRegistry, layout: Layout, tmp_path: Path
) -> None:
    open_it = pushed_base(server, layout, tmp_path)
    first = open_it()
    for blob in first.layout.closure(first.image):
        first.layout.path(blob.digest).unlink()
        again = open_it()

        assert again.layout.is_complete(again.image)
        assert len(again.layout.images()) == 1


def test_a_pull_reports_that_it_waits_for_another_pull(
    server: FakeRegistry, layout: Layout, tmp_path: Path
) -> None:
    cache, lines = tmp_path / "cache", list[str]()
    cache.mkdir()

    with ExitStack() as other:

        def report(line: str) -> None:
            lines.append(line)
            other.close()

        open_it = pushed_base(server, layout, tmp_path, report=report)
        other.enter_context(file_lock.folder(cache))
        first = open_it()
        other.enter_context(file_lock.folder(cache))
        again = open_it()  # the image is in the cache, so no lock is needed

    assert lines == [f"waiting for another build, which pulls a base image into {cache}"]
    assert again.image == first.image


def test_two_pulls_at_once_leave_both_images_in_the_cache(server: FakeRegistry, tmp_path: Path) -> None:
    names = []
    for number, architecture in enumerate(["amd64", "arm64", "amd64"]):
        image = bare_base(tmp_path / str(number), architectures=(architecture,) * (number + 1))
        pushed(server, image)
        names.append(f"{server.address}/shop/api@{image.find().digest}")
    open_it = partial(
        open_base, cache=tmp_path / "cache", temporary=tmp_path / "unused", lock=tmp_path / "infra.lock"
    )

    with ThreadPoolExecutor(max_workers=3) as pool:
        sources = list(pool.map(open_it, names * 2))

    assert all(source.layout.is_complete(source.image) for source in sources)
    assert {image.digest for image in sources[0].layout.images()} == {
        source.image.digest for source in sources
    }
