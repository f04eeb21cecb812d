"""A client of OCI registries: pull and push images with all their blobs, and list referrers.

The bytes of a manifest are never changed, so that its digest stays the same. The digest of every blob is
checked before the blob gets its name.

Sources: OCI, "Distribution Specification" 1.1; Docker, "Token Authentication Specification".
"""

from __future__ import annotations

import base64
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from typing import Any, Self
from urllib.parse import urljoin

from infra_runtime.errors import ImageError, IntegrityError
from infra_runtime.images import documents
from infra_runtime.images.credentials import Credentials, find_credentials
from infra_runtime.images.documents import Descriptor
from infra_runtime.images.layout import Layout
from infra_runtime.images.reference import Reference

try:
    import httpx
except ImportError as error:
    raise ImageError(
        "httpx", "the library is missing", "Install it with `python -m pip install 'pytest-infra[images]'`."
    ) from error

_ACCEPT = ", ".join(sorted(documents.MANIFESTS | documents.INDEXES))
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
#: the seconds without an answer or without new bytes after which a request fails
_TIMEOUT = 60.0
_LOGIN = "Log in with `docker login {registry}` or `podman login {registry}`, which write the credentials."
_LATER = "Run the command again later; complete blobs are not sent again."
#: HTTP status → its meaning for a registry, and how to fix the problem
_REASONS = {
    400: ("the registry does not accept the request", "The answer of the registry contains the reason."),
    401: ("the credentials for the registry are missing or wrong", _LOGIN),
    403: ("the credentials do not permit this request", _LOGIN),
    404: (
        "the registry does not have this image or repository",
        "Check the name and the tag, and the login: some registries answer 404 instead of 401.",
    ),
    413: (
        "a blob is too large for the registry or for a proxy before it",
        "Increase the limit of the registry or of its proxy.",
    ),
    429: ("the registry limits the number of requests", f"{_LATER} A login often has a higher limit."),
}
_FAILED = ("the registry has an internal error", _LATER)
_UNKNOWN = ("a registry does not use this status", "Check the name of the registry and the proxy.")


@cache
def _certificates(*, trust_env: bool) -> ssl.SSLContext:
    """Return the trusted certificates. Reading them takes 50 ms, so all connections share them."""
    return httpx.create_ssl_context(trust_env=trust_env)


class Registry:
    """A connection to one repository of a registry."""

    def __init__(
        self,
        reference: Reference,
        *,
        insecure: bool = False,
        credentials: Callable[[str], Credentials | None] = find_credentials,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Create a client, which connects at the first request.

        TLS is not used for a registry on this machine, or if `insecure` is true.


        `transport` replaces the network connection in tests.
        """
        self.reference = reference
        scheme = "http" if insecure or reference.is_local else "https"
        self._url = f"{scheme}://{reference.server}/v2/{reference.repository}/"
        #: a function that returns the credentials; it is called when the registry requires credentials for
        #: the first time
        self._credentials = cache(partial(credentials, reference.registry))
        self._authorization = ""
        self._http = httpx.Client(
            timeout=_TIMEOUT,
            follow_redirects=True,  # httpx sends no credentials to another host
            headers={"User-Agent": "pytest-infra"},
            transport=transport,
            trust_env=not reference.is_local,
            verify=_certificates(trust_env=not reference.is_local),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def resolve(self, reference: str) -> Descriptor:
        """Return the descriptor of the manifest with a tag or digest."""
        data, media_type = self._manifest(reference)
        return Descriptor(media_type=media_type, digest=documents.digest_of(data), size=len(data))

    def pull(self, reference: str, layout: Layout) -> Descriptor:
        """Copy an image with all its blobs to a layout, and return its descriptor; do not change the index.

        `reference` is a tag or a digest. Blobs that the layout contains are not requested again, except
        manifests.

        Raises:
            ImageError: the registry does not answer, or answers with an error.
            IntegrityError: a manifest or a blob does not match its digest.
        """
        data, media_type = self._manifest(reference)
        return self._pull(data, media_type, layout)

    def _pull(self, data: bytes, media_type: str, layout: Layout) -> Descriptor:
        location = str(self.reference)
        document = documents.parse(data, location)
        if media_type in documents.INDEXES:
            for manifest_of_platform in documents.descriptors(document, "manifests", location):
                self._pull(*self._manifest(manifest_of_platform.digest), layout)
        elif media_type in documents.MANIFESTS:
            config = Descriptor.from_json(document.get("config"), location)
            for blob in (config, *documents.descriptors(document, "layers", location)):
                self._pull_blob(blob, layout)
        else:
            raise ImageError(
                location,
                f"the manifest has the media type {media_type!r}, which is not the type of an image",
                "Push the image again with a current program; schema 1 of Docker manifests is not supported.",
            )
        return layout.add(data, media_type)

    def _manifest(self, reference: str) -> tuple[bytes, str]:
        """Return bytes and media type of a manifest; if `reference` is a digest, the bytes are checked."""
        answer = self._send("GET", f"manifests/{reference}", headers={"Accept": _ACCEPT})
        if len(answer.content) > documents.LIMIT:
            raise ImageError(str(self.reference), f"the manifest has more than {documents.LIMIT} bytes")
        if reference.startswith("sha256:") and (actual := documents.digest_of(answer.content)) != reference:
            raise IntegrityError(
                str(self.reference), f"the manifest has the digest {actual} instead of {reference}", _DAMAGED
            )
        media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        if media_type not in documents.MANIFESTS | documents.INDEXES:
            stated_media_type = documents.parse(answer.content, str(answer.url)).get("mediaType")
            media_type = str(stated_media_type or media_type)
        return answer.content, media_type

    def _pull_blob(self, blob: Descriptor, layout: Layout) -> None:
        if layout.has(blob):
            return
        location = str(self.reference)
        # The blob gets its name only if its digest is right: the name is made from the bytes.
        with layout.writer() as file:
            with self._stream(f"blobs/{blob.digest}") as answer:
                for block in answer.iter_bytes():
                    file.write(block)
                    if file.size > blob.size:
                        break
            if file.size != blob.size:
                length = "more" if file.size > blob.size else f"{file.size}"
                raise IntegrityError(
                    location, f"{blob.digest} has {length} instead of {blob.size} bytes", _DAMAGED
                )
            if file.digest != blob.digest:
                raise IntegrityError(
                    location, f"the bytes of {blob.digest} have the digest {file.digest}", _DAMAGED
                )

    def push(self, layout: Layout, image: Descriptor, tags: list[str]) -> None:
        """Copy an image with all its blobs to the repository, and add the tags.

        Blobs that the registry already has are not sent, except manifests. The bytes of each sent blob are
        checked while they are read.
        """
        for blob in layout.closure(image):
            if blob.media_type in documents.MANIFESTS | documents.INDEXES:
                self._put_manifest(layout.read(blob), blob.media_type, blob.digest)
            else:
                self._push_blob(blob.digest, blob.size, partial(layout.blocks, blob))
        for tag in tags:
            self._put_manifest(layout.read(image), image.media_type, tag)

    def _push_blob(self, digest: str, size: int, content: Callable[[], Any]) -> None:
        """Send a blob, unless the registry already has it; each attempt calls `content` for the bytes."""
        if self._send("HEAD", f"blobs/{digest}", missing=True).status_code == 200:
            return
        upload = self._send("POST", "blobs/uploads/", headers={"Content-Length": "0"})
        with self._failures_reported():
            location = urljoin(str(upload.url), upload.headers.get("Location", ""))
            url = httpx.URL(location).copy_merge_params({"digest": digest})
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        self._send("PUT", str(url), content=content, headers=headers)

    def _put_manifest(self, data: bytes, media_type: str, reference: str) -> None:
        self._send(
            "PUT", f"manifests/{reference}", content=lambda: data, headers={"Content-Type": media_type}
        )

    def attach(
        self, subject: Descriptor, artifact_type: str, data: bytes, name: str, *, created: str
    ) -> Descriptor:
        """Push an artefact, such as an SBOM, as a referrer of the image `subject`.

        Return the descriptor of the artefact's manifest. If the registry has no API for referrers, the list
        of referrers is pushed with a tag that contains the digest of the image. Source: "Distribution
        Specification" 1.1, "Pushing Manifests with Subject".
        """
        for content in (b"{}", data):
            self._push_blob(documents.digest_of(content), len(content), partial(bytes, content))
        config = Descriptor(media_type=documents.EMPTY, digest=documents.digest_of(b"{}"), size=2)
        layer = Descriptor(media_type=artifact_type, digest=documents.digest_of(data), size=len(data))
        annotations = {"org.opencontainers.image.created": created}
        manifest: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": documents.MANIFEST,
            "artifactType": artifact_type,
            "config": config.to_json(),
            "layers": [layer.to_json() | {"annotations": {"org.opencontainers.image.title": name}}],
            "subject": Descriptor(
                media_type=subject.media_type, digest=subject.digest, size=subject.size
            ).to_json(),
            "annotations": annotations,
        }
        body = documents.json_bytes(manifest)
        digest = documents.digest_of(body)
        self._put_manifest(body, documents.MANIFEST, digest)
        referrer = Descriptor(
            media_type=documents.MANIFEST,
            digest=digest,
            size=len(body),
            artifact_type=artifact_type,
            annotations=annotations,
        )
        if self._send("GET", f"referrers/{subject.digest}", missing=True).status_code != 200:
            # The new artefact replaces the artefact with the same type.
            other_referrers = [
                other for other in self.referrers(subject.digest) if other.artifact_type != artifact_type
            ]
            tag = subject.digest.replace(":", "-")
            self._put_manifest(documents.index([*other_referrers, referrer]), documents.INDEX, tag)
        return referrer

    def referrers(self, digest: str) -> list[Descriptor]:
        """Return the descriptors of the artefacts that refer to an image."""
        for path in (f"referrers/{digest}", f"manifests/{digest.replace(':', '-')}"):
            answer = self._send("GET", path, headers={"Accept": documents.INDEX}, missing=True)
            if answer.status_code == 200:
                location = f"{self.reference.repository}: referrers"
                return documents.descriptors(documents.parse(answer.content, location), "manifests", location)
        return []

    def _send(
        self,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        content: Callable[[], Any] | None = None,
        missing: bool = False,
    ) -> httpx.Response:
        """Send a request, with credentials if the registry requires them, and return the response.

        `path` is relative to the repository, or a URL. If `missing` is true, the statuses 404 and 405 are
        accepted.
        """
        answer = self._attempt(method, path, headers, content)
        if answer.status_code == 401 and self._log_in(answer):
            answer = self._attempt(method, path, headers, content)
        if answer.is_success or (missing and answer.status_code in {404, 405}):
            return answer
        raise self._refused(method, path, answer)

    def _attempt(
        self, method: str, path: str, headers: dict[str, str] | None, content: Callable[[], Any] | None
    ) -> httpx.Response:
        sent_headers = dict(headers or {}) | self._authorized(path)
        with self._failures_reported():
            return self._http.request(
                method, urljoin(self._url, path), headers=sent_headers, content=content() if content else None
            )

    @contextmanager
    def _stream(self, path: str) -> Iterator[httpx.Response]:
        with self._failures_reported():
            for attempt in (1, 2):
                headers = self._authorized(path)
                with self._http.stream("GET", urljoin(self._url, path), headers=headers) as answer:
                    if answer.is_success:
                        yield answer
                        return
                    answer.read()
                    if attempt == 2 or answer.status_code != 401 or not self._log_in(answer):
                        raise self._refused("GET", path, answer)

    def _authorized(self, path: str) -> dict[str, str]:
        """Return the header with the credentials; empty if the URL is on another host than the registry."""
        target, registry_url = httpx.URL(urljoin(self._url, path)), httpx.URL(self._url)
        is_registry = (target.scheme, target.host, target.port) == (
            registry_url.scheme,
            registry_url.host,
            registry_url.port,
        )
        return {"Authorization": self._authorization} if self._authorization and is_registry else {}

    @contextmanager
    def _failures_reported(self) -> Iterator[None]:
        registry = self.reference.registry
        try:
            yield
        except httpx.TimeoutException as error:
            raise ImageError(registry, f"the registry did not answer for {_TIMEOUT:.0f} s", _LATER) from error
        except httpx.RemoteProtocolError as error:
            raise ImageError(
                registry, f"the registry closed the connection before the end: {error}", _LATER
            ) from error
        except (httpx.InvalidURL, ValueError) as error:
            raise ImageError(registry, f"the registry answers with an invalid address: {error}") from error
        except httpx.HTTPError as error:
            hint = "Check the name of the registry, the network and the proxy."
            raise ImageError(registry, f"the registry cannot be reached: {error}", hint) from error

    def _refused(self, method: str, path: str, answer: httpx.Response) -> ImageError:
        default_problem = _FAILED if answer.is_server_error else _UNKNOWN
        reason, hint = _REASONS.get(answer.status_code, default_problem)
        try:
            errors = answer.json()["errors"]
            detail = "; ".join(f"{error['code']}: {error.get('message', '')}" for error in errors)
        except (ValueError, KeyError, TypeError):
            detail = ""
        short = path.partition("?")[0].removeprefix(self._url)
        text = f"{answer.status_code} for {method} {short}: {reason}" + (f" ({detail})" if detail else "")
        return ImageError(str(self.reference), text, hint.format(registry=self.reference.registry))

    def _log_in(self, answer: httpx.Response) -> bool:
        """Get the credentials that an answer 401 requires; return whether a second request can succeed."""
        login = self._credentials()
        scheme, _, parameters = answer.headers.get("WWW-Authenticate", "").partition(" ")
        previous_authorization = self._authorization
        if scheme.lower() == "basic" and login:
            pair = base64.b64encode(f"{login.user}:{login.password}".encode())
            self._authorization = f"Basic {pair.decode()}"
        elif scheme.lower() == "bearer":
            self._authorization = f"Bearer {self._token(dict(_CHALLENGE.findall(parameters)))}"
        return self._authorization != previous_authorization

    def _token(self, challenge: Mapping[str, str]) -> str:
        """Request a token from the token server, for the scope that the registry requires."""
        realm = challenge.get("realm", "")
        if not realm:
            raise ImageError(
                self.reference.registry,
                "the registry requires a token, but does not send the address of the token server",
            )
        if not realm.startswith("https://") and not self._url.startswith("http://"):
            raise ImageError(self.reference.registry, f"the token server {realm!r} does not use HTTPS")
        parameters: dict[str, str] = {
            name: value for name, value in challenge.items() if name in {"service", "scope"}
        }
        login = self._credentials()
        with self._failures_reported():
            if login and login.token:
                form = {
                    "grant_type": "refresh_token",
                    "client_id": "pytest-infra",
                    "refresh_token": login.token,
                }
                answer = self._http.post(realm, data=parameters | form)
            else:
                auth = (login.user, login.password) if login else None
                answer = self._http.get(realm, params=parameters, auth=auth)
        try:
            document = answer.json() if answer.is_success else {}
        except ValueError:
            document = {}
        fields = document if isinstance(document, dict) else {}
        token = fields.get("token") or fields.get("access_token")
        if not isinstance(token, str):
            problem = f"the token server {realm} answers {answer.status_code} without a token"
            raise ImageError(
                self.reference.registry, problem, _LOGIN.format(registry=self.reference.registry)
            )
        return token


_DAMAGED = (
    "The blob is not used. Pull the image again; if the registry sends the same bytes, push the image again."
)
