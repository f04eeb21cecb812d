"""The label of a test, which clients send as their name or in HTTP headers, so that services can log it.

Source: W3C Recommendation "Trace Context"; W3C "Propagation format for distributed context: Baggage";
OpenTelemetry semantic conventions, "Test".
"""

from __future__ import annotations

import hashlib
import os
import re
from typing import NamedTuple, Self
from urllib.parse import quote

import pytest

#: The maximum number of characters of a client's name. Servers cut the end of longer names, but the end of a
#: test's id is the most specific part. 63, the limit for an identifier in PostgreSQL, is the shortest limit
#: of the kinds.
LENGTH = 63
#: The maximum number of characters of a test's id in a header. Servers accept a few thousand bytes for all
#: headers together.
HEADER_LENGTH = 512


class Label(NamedTuple):
    """The names and headers by which services and their logs identify a test.

    The names and headers are the same in all phases of the test (set-up, call, tear-down).
    """

    #: the test's id
    test: str
    #: the name that the clients of the test send to a server: the end of the id, in ASCII and without spaces
    name: str
    trace_id: str
    span_id: str

    @classmethod
    def of(cls, test: str, run: str) -> Self:
        """Return the label for a test's id; the trace id in the label differs in every run."""
        digest = hashlib.sha256(f"{run}\0{test}".encode("utf-8", "replace")).hexdigest()
        return cls(test=test, name=shorten(test), trace_id=digest[:32], span_id=digest[32:48])

    @property
    def headers(self) -> dict[str, str]:
        """Return headers for requests: `traceparent` for tracing libraries, `baggage` with the test's id."""
        test = quote(self.test[-HEADER_LENGTH:], safe="/:[]", errors="replace")
        return {
            "traceparent": f"00-{self.trace_id}-{self.span_id}-01",
            "baggage": f"test.case.name={test}",
        }


def shorten(test: str) -> str:
    """Return the end of a test's id, in ASCII and without spaces, so that every log can contain it."""
    return re.sub(r"[^!-~]+", "-", test)[-LENGTH:]


def login_name(test: str) -> str:
    """Return the end of a test's id as a user name whose characters need no encoding in a URL."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", test)[-LENGTH:]


#: The id of a run without pytest-xdist; such a run has only one process.
_RUN = os.urandom(16).hex()


def run_id() -> str:
    """Return the id of the test run; all workers of pytest-xdist return the same id.

    Source: pytest-xdist's manual, "Identifying workers".
    """
    return os.environ.get("PYTEST_XDIST_TESTRUNUID", _RUN)


def label_of(item: pytest.Item) -> Label:
    """Return the label of the test that this pytest item represents."""
    return Label.of(item.nodeid, run_id())


def running_test() -> str:
    """Return the id of the running test; an empty string between tests."""
    return os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
