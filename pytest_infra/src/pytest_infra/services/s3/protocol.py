"""Send signed requests to the object storage, and read the answers.

Sources: Amazon S3 API Reference, "Authenticating Requests (AWS Signature Version 4)" and "Actions"; AWS STS
API Reference, "AssumeRole".
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import quote, urlencode
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.connection import CommandError
from pytest_infra.isolation.http_request import send


class Object(NamedTuple):
    """One version of an object in a bucket; a delete marker has no size."""

    key: str
    version: str
    size: int | None
    modified: str


class Storage:
    """The object storage, with the keys of a user; each request uses its own connection."""

    def __init__(self, server: Endpoint, access_key: str, secret_key: str) -> None:
        self._host, self._port, self._region = server.host, int(server.port), server["region"]
        self._access_key, self._secret_key = access_key, secret_key

    def create(self, bucket: str) -> None:
        """Create a bucket."""
        self.request("PUT", f"/{bucket}")

    def buckets(self) -> list[str]:
        """Return the names of the buckets that the user may list."""
        answer = _parsed(self.request("GET", "/"))
        return [_text(bucket, "Name") for bucket in answer.iter("Bucket")]

    def versions(self, bucket: str, size: int = 1000) -> Iterator[list[Object]]:
        """Yield lists of at most `size` versions of the objects in a bucket."""
        marker: dict[str, str] = {}
        while True:
            answer = _parsed(
                self.request("GET", f"/{bucket}", {"versions": "", "max-keys": str(size), **marker})
            )
            versions = [entry for entry in answer if entry.tag in {"Version", "DeleteMarker"}]
            yield [
                Object(
                    key=_text(entry, "Key"),
                    version=_text(entry, "VersionId"),
                    size=int(_text(entry, "Size") or 0) if entry.tag == "Version" else None,
                    modified=_text(entry, "LastModified"),
                )
                for entry in versions
            ]
            if _text(answer, "IsTruncated") != "true":
                return
            names = {"key-marker": "NextKeyMarker", "version-id-marker": "NextVersionIdMarker"}
            marker = {name: value for name, tag in names.items() if (value := _text(answer, tag))}

    def read(self, bucket: str, version: Object, size: int) -> bytes:
        """Return at most the first `size` bytes of a version of an object."""
        query = {"versionId": version.version}
        range_header = {"range": f"bytes=0-{size - 1}"}
        return self.request("GET", f"/{bucket}/{version.key}", query, headers=range_header)

    def clear(self, bucket: str) -> None:
        """Delete all versions of all objects in a bucket, and abort uploads in parts.

        The uploads are those in the first page of the server's list, at most 1000 of them.
        """
        # Deleting changes the pages, so the first page is read until it is empty.
        while objects := next(self.versions(bucket)):
            elements = "".join(
                f"<Object><Key>{escape(version.key)}</Key><VersionId>{escape(version.version)}</VersionId></Object>"
                for version in objects
            )
            body = f"<Delete>{elements}</Delete>".encode()
            answer = self.request(
                "POST", f"/{bucket}", {"delete": ""}, body, {"x-amz-bypass-governance-retention": "true"}
            )
            if errors := [_text(error, "Message") for error in _parsed(answer).iter("Error")]:
                raise CommandError(
                    f"{bucket}: {len(errors)} versions of objects cannot be deleted; the first error: "
                    f"{errors[0]}"
                )
        uploads = _parsed(self.request("GET", f"/{bucket}", {"uploads": ""})).iter("Upload")
        for upload in uploads:
            self.request(
                "DELETE", f"/{bucket}/{_text(upload, 'Key')}", {"uploadId": _text(upload, "UploadId")}
            )

    def remove(self, bucket: str) -> None:
        """Delete a bucket with everything that it contains."""
        self.clear(bucket)
        self.request("DELETE", f"/{bucket}")

    def assume_role(self, account: str) -> dict[str, str]:
        """Return temporary keys of an account: `access_key`, `secret_key` and `session_token`."""
        form = {
            "Action": "AssumeRole",
            "Version": "2011-06-15",
            "RoleArn": f"arn:aws:iam::{account}:role/test",
            "RoleSessionName": "test",
        }
        headers = {"content-type": "application/x-www-form-urlencoded"}
        answer = _parsed(self.request("POST", "/", {}, urlencode(form).encode(), headers, service="sts"))
        names = {
            "access_key": "AccessKeyId",
            "secret_key": "SecretAccessKey",
            "session_token": "SessionToken",
        }
        return {name: next(answer.iter(tag)).text or "" for name, tag in names.items()}

    def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        service: str = "s3",
    ) -> bytes:
        """Send a signed request, and return the body of the answer.

        Raises `CommandError` if the server refuses the request.
        """
        path = quote(path, safe="/-_.~")
        arguments = urlencode(sorted((query or {}).items()), quote_via=quote, safe="-_.~")
        signed = self._signed(method, path, arguments, body, headers or {}, service)
        response = send(
            f"http://{self._host}:{self._port}{path}?{arguments}", method, body=body, headers=signed
        )
        if response.status >= 300:
            raise CommandError(f"s3: {method} {path} answers {response.status}: {_reason(response.body)}")
        return response.body

    def _signed(
        self, method: str, path: str, arguments: str, body: bytes, headers: Mapping[str, str], service: str
    ) -> dict[str, str]:
        """Return the headers of a request, with its signature."""
        moment = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
        digest = hashlib.sha256(body).hexdigest()
        all_headers = {
            **headers,
            "host": f"{self._host}:{self._port}",
            "x-amz-content-sha256": digest,
            "x-amz-date": moment,
        }
        names = ";".join(sorted(all_headers))
        lines = "".join(f"{name}:{all_headers[name].strip()}\n" for name in sorted(all_headers))
        canonical = f"{method}\n{path}\n{arguments}\n{lines}\n{names}\n{digest}"
        scope = f"{moment[:8]}/{self._region}/{service}/aws4_request"
        text = "\n".join(("AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(canonical.encode()).hexdigest()))
        key = f"AWS4{self._secret_key}".encode()
        for part in (*scope.split("/"), text):
            key = hmac.digest(key, part.encode(), "sha256")
        credential = f"{self._access_key}/{scope}"
        authorization = (
            f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={key.hex()}"
        )
        return {**all_headers, "authorization": authorization}


def _parsed(content: bytes) -> ET.Element:
    """Return the root of an XML document, in which the names of elements have no namespace."""
    root = ET.fromstring(content)  # noqa: S314 - the document is from a server of this stack
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def _text(element: ET.Element, tag: str) -> str:
    return element.findtext(tag) or ""


def _reason(content: bytes) -> str:
    try:
        root = _parsed(content)
    except ET.ParseError:
        return repr(content[:200])
    return f"{_text(root, 'Code')}: {_text(root, 'Message')}"
