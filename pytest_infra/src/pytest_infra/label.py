"""What tells a service which test speaks to it: a short name, and headers for HTTP.

Source: W3C Recommendation "Trace Context"; W3C "Propagation format for distributed context: Baggage";
OpenTelemetry semantic conventions, "Test".
"""

from __future__ import annotations

import hashlib
import os
import re
from typing import NamedTuple, Self
from urllib.parse import quote

#: PostgreSQL cuts longer names at their end, where a test's id tells most
LENGTH = 63
#: of a test's id in a header; servers bear some thousands in all
HEADER_LENGTH = 512


class Label(NamedTuple):
    """A test as its services see it; the same for as long as the test lasts, and in all its phases."""

    #: the test's id
    test: str
    #: the end of the id, without blanks and in ASCII: PostgreSQL's `application_name`, other clients' names
    name: str
    trace_id: str
    span_id: str

    @classmethod
    def of(cls, test: str, run: str) -> Self:
        """The label of a test; in another run it has another trace."""
        digest = hashlib.sha256(f"{run}\0{test}".encode("utf-8", "replace")).hexdigest()
        return cls(test=test, name=shorten(test), trace_id=digest[:32], span_id=digest[32:48])

    @property
    def headers(self) -> dict[str, str]:
        """For every request: `traceparent`, which tracing libraries go on with, and the id in `baggage`."""
        test = quote(self.test[-HEADER_LENGTH:], safe="/:[]", errors="replace")
        return {
            "traceparent": f"00-{self.trace_id}-{self.span_id}-01",
            "baggage": f"test.case.name={test}",
        }


def shorten(test: str) -> str:
    """The end of an id, printable in every log."""
    return re.sub(r"[^!-~]+", "-", test)[-LENGTH:]


#: without xdist a process is a run
_RUN = os.urandom(16).hex()


def run_id() -> str:
    """The same in all workers of a run. Source: pytest-xdist's manual, "Identifying workers"."""
    return os.environ.get("PYTEST_XDIST_TESTRUNUID", _RUN)
