"""The dashboard: a web application for the services, logs, traces and settings of a running stack.

The application runs in its own process, which is a client of the supervisor without a lease. The supervisor
imports nothing of this package.
"""

from __future__ import annotations

#: the header with the key of the service, for programs of the same user; it replaces a login
KEY_HEADER = "x-dashboard-key"
#: the header with the token of the session, for requests of a browser other than GET
TOKEN_HEADER = "x-dashboard-token"  # noqa: S105 - the name of a header
#: the request with which a program that has the key gets a login link
LOGIN_LINKS = "/api/v1/login-links"
