"""Downloads are bounded, continued and verified."""

from __future__ import annotations

import base64
import hashlib
import http.client
import io
import resource
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.artefacts import Files, answering, save, serving
from infra_runtime.binaries import download as download_module
from infra_runtime.binaries.download import ATTEMPTS, download
from infra_runtime.errors import InstallError, IntegrityError

pytestmark = pytest.mark.process
CONTENT = bytes(range(256)) * 4000
DIGEST = hashlib.sha256(CONTENT).hexdigest()
SIZE = len(CONTENT)


@pytest.fixture
def files() -> Iterator[Files]:
    with serving() as served:
        yield served


def test_a_file_is_downloaded_and_its_progress_reported(files: Files, tmp_path: Path) -> None:
    reported: list[int] = []

    url = files.add("tool.tar.gz", CONTENT)
    download("tool", url, tmp_path / "file", size=SIZE, digest=DIGEST, progress=reported.append)

    assert (tmp_path / "file").read_bytes() == CONTENT
    assert reported == sorted(reported)
    assert reported[-1] == SIZE
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_a_cut_download_is_continued_at_the_same_byte(files: Files, tmp_path: Path) -> None:
    url = files.add("tool", CONTENT)
    files.cuts["tool"] = [1000, 50_000]

    download("tool", url, tmp_path / "file", size=SIZE, digest=DIGEST)

    assert (tmp_path / "file").read_bytes() == CONTENT
    assert files.requests == [("tool", ""), ("tool", "bytes=1000-"), ("tool", "bytes=50000-")]


def test_an_earlier_download_is_continued(files: Files, tmp_path: Path) -> None:
    url = files.add("tool", CONTENT)
    (tmp_path / "file.part").write_bytes(CONTENT[:700_000])

    download("tool", url, tmp_path / "file", size=SIZE, digest=DIGEST)

    assert (tmp_path / "file").read_bytes() == CONTENT
    assert files.requests == [("tool", "bytes=700000-")]


def test_the_rest_of_another_file_is_downloaded_again(files: Files, tmp_path: Path) -> None:
    url = files.add("tool", CONTENT)
    (tmp_path / "file.part").write_bytes(b"old" * 1000)

    download("tool", url, tmp_path / "file", size=SIZE, digest=DIGEST)

    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_server_without_ranges_sends_the_file_again(files: Files, tmp_path: Path) -> None:
    url = files.add("tool", CONTENT)
    files.without_ranges.add("tool")
    files.cuts["tool"] = [1000]

    download("tool", url, tmp_path / "file", size=SIZE, digest=DIGEST)

    assert (tmp_path / "file").read_bytes() == CONTENT


@pytest.mark.parametrize("span", [None, f"bytes 0-{SIZE - 1}/{SIZE}", "bytes 999-", "pages 1000-"])
def test_a_server_that_sends_another_part_than_requested_sends_the_file_again(
    span: str | None, files: Files, tmp_path: Path
) -> None:
    url = files.add("tool", CONTENT)
    files.wrong_ranges["tool"] = span
    files.cuts["tool"] = [1000]

    download("tool", url, tmp_path / "file", size=SIZE, digest=DIGEST)

    assert (tmp_path / "file").read_bytes() == CONTENT
    assert [requested_range for _, requested_range in files.requests] == ["", "bytes=1000-", ""]


def test_the_rest_of_a_longer_file_is_downloaded_again(files: Files, tmp_path: Path) -> None:
    """The server answers 416, because the file has fewer bytes than the part."""
    url = files.add("tool", CONTENT)
    (tmp_path / "file.part").write_bytes(CONTENT + b"more")

    download("tool", url, tmp_path / "file", digest=DIGEST)

    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_redirect_to_an_http_address_is_followed(files: Files, tmp_path: Path) -> None:
    files.redirects["latest"] = files.add("tool", CONTENT)

    download("tool", f"{files.address}/latest", tmp_path / "file", size=SIZE, digest=DIGEST)

    assert (tmp_path / "file").read_bytes() == CONTENT


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x", "gopher://x/", "/a"]
)
def test_a_redirect_to_another_scheme_or_to_itself_is_refused(
    target: str, files: Files, tmp_path: Path
) -> None:
    files.redirects["a"] = target

    with pytest.raises(InstallError, match="the server answers 302"):
        download("tool", f"{files.address}/a", tmp_path / "file", size=SIZE, digest=DIGEST)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("http://[bad/x", "IPv6"),
        ("http://127.0.0.1:port/x", "port"),
        (f"http://{'a' * 64}.test/x", "label"),
        ("http://..test/x", "label"),
        ("http://ann:secret-1@127.0.0.1:9/x", "is not followed"),
        ("http://ann:secret-1@[bad/x", "IPv6"),
    ],
)
def test_a_redirect_to_an_impossible_address_is_an_error(
    target: str, problem: str, files: Files, tmp_path: Path
) -> None:
    files.redirects["a"] = target

    with pytest.raises(InstallError, match=problem) as caught:
        download("tool", f"{files.address}/a", tmp_path / "file", size=SIZE, digest=DIGEST)

    assert "secret-1" not in f"{caught.value} {caught.value.hint}"
    assert list(tmp_path.iterdir()) == []


def test_a_chain_of_redirects_without_end_is_an_error(files: Files, tmp_path: Path) -> None:
    files.redirects |= {str(number): f"/{number + 1}" for number in range(100)}

    with pytest.raises(InstallError, match="the server answers 302"):
        download("tool", f"{files.address}/0", tmp_path / "file", size=SIZE, digest=DIGEST)

    assert len(files.requests) < 20


def test_a_redirect_from_https_to_http_is_refused() -> None:
    request = urllib.request.Request("https://files.test/tool")
    handler, headers = download_module._Redirects(), http.client.HTTPMessage()

    with pytest.raises(urllib.error.HTTPError, match=r"redirect to http://files.test/tool is not followed"):
        handler.redirect_request(request, io.BytesIO(), 302, "Found", headers, "http://files.test/tool")


def test_a_login_comes_from_netrc_and_is_not_sent_after_a_redirect(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = files.add("private", CONTENT)
    save(tmp_path, "netrc", b"machine 127.0.0.1 login ann password secret-1\n").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    files.logins["private"] = "Basic " + base64.b64encode(b"ann:secret-1").decode()

    download("tool", url, tmp_path / "file", size=SIZE, digest=DIGEST)
    files.logins["private"] = "Basic other"
    with pytest.raises(InstallError, match="answers 401") as caught:
        download("tool", url, tmp_path / "other", size=SIZE, digest=DIGEST)

    assert "secret-1" not in f"{caught.value} {caught.value.hint}"
    files.redirects["moved"] = files.add("public", CONTENT)
    with pytest.raises(InstallError, match="answers 401"):  # `public` accepts only requests without a login
        download("tool", url.replace("private", "public"), tmp_path / "third", size=SIZE, digest=DIGEST)
    download("tool", f"{files.address}/moved", tmp_path / "third", size=SIZE, digest=DIGEST)


def test_a_login_in_an_address_is_refused_and_not_printed(tmp_path: Path) -> None:
    with pytest.raises(InstallError, match="contains a login") as caught:
        download("tool", "https://ann:secret-1@files.test/tool", tmp_path / "file")

    assert "secret-1" not in str(caught.value)
    assert "netrc" in caught.value.hint


def test_a_download_that_is_cut_every_time_fails_and_keeps_its_part(files: Files, tmp_path: Path) -> None:
    url = files.add("tool", CONTENT)
    files.cuts["tool"] = [1000 * (number + 1) for number in range(ATTEMPTS)]

    with pytest.raises(InstallError, match=r"closed before the end|can be continued"):
        download("tool", url, tmp_path / "file", size=SIZE, digest=DIGEST)

    assert not (tmp_path / "file").exists()
    assert (tmp_path / "file.part").stat().st_size == 4000


def test_a_wrong_hash_is_an_error_and_nothing_is_kept(files: Files, tmp_path: Path) -> None:
    url = files.add("tool", CONTENT[:-1] + b"x")

    with pytest.raises(IntegrityError, match=f"but the lock contains {DIGEST}"):
        download("tool", url, tmp_path / "file", size=SIZE, digest=DIGEST)

    assert list(tmp_path.iterdir()) == []


def test_more_bytes_than_in_the_lock_are_refused(files: Files, tmp_path: Path) -> None:
    announced = files.add("announced", CONTENT)
    silent = files.add("silent", CONTENT)
    files.lengths["silent"] = None

    with pytest.raises(IntegrityError, match=f"file on the server has {SIZE} bytes instead of 1000"):
        download("tool", announced, tmp_path / "file", size=1000, digest=DIGEST)
    with pytest.raises(IntegrityError, match="sends more than 1000 bytes"):
        download("tool", silent, tmp_path / "file", size=1000, digest=DIGEST)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_announces_more_than_it_sends_is_an_error(files: Files, tmp_path: Path) -> None:
    url = files.add("tool", CONTENT[:1000])
    files.lengths["tool"] = SIZE

    with pytest.raises(InstallError, match=r"closed before the end|can be continued"):
        download("tool", url, tmp_path / "file", size=SIZE, digest=DIGEST)


def test_a_server_that_sends_nothing_more_is_an_error(files: Files, tmp_path: Path) -> None:
    url = files.add("tool", CONTENT)
    files.stalled.add("tool")

    with pytest.raises(InstallError, match="no data arrived before the time limit"):
        download("tool", url, tmp_path / "file", size=SIZE, digest=DIGEST, stall=0.2)


def test_a_server_that_sends_single_bytes_is_an_error(files: Files, tmp_path: Path) -> None:
    url = files.add("tool", CONTENT)
    files.slow.add("tool")

    with pytest.raises(InstallError, match=r"only \d+ bytes in 0\.5 s"):
        download("tool", url, tmp_path / "file", size=SIZE, digest=DIGEST, stall=0.5)


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param((b"H",), id="status"),
        pytest.param((b"HTTP/1.1 200 OK\r\n", b"x"), id="name of a field"),
        pytest.param((b"HTTP/1.1 200 OK\r\n", b"X-Field: x\r\n"), id="fields"),
        pytest.param((b"HTTP/1.1 100 Continue\r\n\r\n",), id="interim answers"),
    ],
)
def test_a_header_without_end_is_an_error(parts: tuple[bytes, ...], tmp_path: Path) -> None:
    with answering(*parts, pause=0.01) as url, pytest.raises(InstallError, match=r"header|100 headers"):
        download("tool", url, tmp_path / "file", size=SIZE, digest=DIGEST, stall=0.5)


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n", id="no length"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", id="negative length"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", id="no number"),
        pytest.param(b"HTTP/1.0 200\r\n\r\n", id="no reason"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", id="interim answer"),
        pytest.param(b"HTTP/1.1 206 Partial Content\r\n\r\n", id="unrequested part"),
    ],
)
def test_an_unusual_header_before_the_expected_content_is_accepted(header: bytes, tmp_path: Path) -> None:
    with answering(header, CONTENT) as url:
        download("tool", url, tmp_path / "file", size=SIZE, digest=DIGEST)

    assert (tmp_path / "file").read_bytes() == CONTENT


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="closed at once"),
        pytest.param(b"HTTP/1.1 200 OK\r\n", id="closed in the header"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", id="closed after the header"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n", id="empty"),
        pytest.param(b"HTTP/1.1 204 No Content\r\n\r\n", id="no content"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123456789", id="short"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx", id="no chunk"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nx", id="cut chunk"),
        pytest.param(b"HTTP/1.1 206 Partial Content\r\n\r\nx", id="unrequested part"),
        pytest.param(b"SSH-2.0-OpenSSH_9\r\n", id="another protocol"),
        pytest.param(b"HTTP/9 200 OK\r\n\r\n", id="another version"),
        pytest.param(b"HTTP/1.1 302 Found\r\n\r\n", id="redirect without an address"),
        pytest.param(b"HTTP/1.1 304 Not Modified\r\n\r\n", id="not modified"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 200 + b"\r\n", id="many fields"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", id="long field"),
        pytest.param(b"HTTP/1.1 500 Internal Server Error\r\n\r\n", id="server error"),
    ],
)
def test_an_answer_without_the_whole_file_is_an_error(answer: bytes, tmp_path: Path) -> None:
    with answering(answer) as url, pytest.raises(InstallError, match=r"^tool: http"):
        download("tool", url, tmp_path / "file", size=SIZE, digest=DIGEST)

    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize("length", [SIZE + 1, 1 << 62])
def test_a_longer_file_than_in_the_lock_is_refused_before_its_content(length: int, tmp_path: Path) -> None:
    header = f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n".encode()
    with (
        answering(header) as url,
        pytest.raises(IntegrityError, match=f"file on the server has {length} bytes"),
    ):
        download("tool", url, tmp_path / "file", size=SIZE, digest=DIGEST)


def test_a_missing_file_is_requested_once(files: Files, tmp_path: Path) -> None:
    with pytest.raises(InstallError, match="the server answers 404") as caught:
        download("tool", f"{files.address}/missing", tmp_path / "file", size=SIZE, digest=DIGEST)

    assert len(files.requests) == 1
    assert "infra bin lock" in caught.value.hint


def test_no_network_is_an_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(InstallError, match="refused") as caught:
        download("tool", "http://127.0.0.1:9/tool", tmp_path / "file", size=SIZE, digest=DIGEST)

    assert "Check the network" in caught.value.hint


def test_only_http_addresses_are_accepted(tmp_path: Path) -> None:
    invalid = (
        "http://[::1",
        "http://files.test:port/",
        "https://files.test/t\u00f6l",
        "http://files.test:0/",
    )
    for url in ("file:///etc/passwd", "ftp://127.0.0.1/x", "/etc/passwd", *invalid):
        with pytest.raises(InstallError, match="must be an address that begins with http"):
            download("tool", url, tmp_path / "file")


def test_no_link_is_written_through(files: Files, tmp_path: Path) -> None:
    url = files.add("tool", CONTENT)
    (tmp_path / "file.part").symlink_to(tmp_path / "victim")

    with pytest.raises(OSError, match="symbolic link"):
        download("tool", url, tmp_path / "file", size=SIZE, digest=DIGEST)

    assert not (tmp_path / "victim").exists()


def test_a_full_disk_is_not_reported_as_an_error_of_the_network(files: Files, tmp_path: Path) -> None:
    url = files.add("tool", CONTENT)
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from infra_runtime.binaries.download import download\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
        f"try: download('tool', {url!r}, Path({str(tmp_path / 'file')!r}), size={SIZE}, digest={DIGEST!r})\n"
        "except OSError as error: print(error.errno, error.filename)\n"
    )

    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )

    assert answer.stdout.split() == ["27", str(tmp_path / "file.part")]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 5000


@pytest.mark.parametrize("content", [b"machine \xff\xfe login", b"machine"])
def test_a_damaged_netrc_file_is_ignored(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    save(tmp_path, "netrc", content).chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))

    download("tool", files.add("tool", CONTENT), tmp_path / "file", size=SIZE, digest=DIGEST)

    assert (tmp_path / "file").read_bytes() == CONTENT
