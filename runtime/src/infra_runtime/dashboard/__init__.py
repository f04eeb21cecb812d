"""The dashboard: a web application for the services, logs, traces and settings of a running stack.

The application runs in its own process, which is a client of the supervisor without a lease. The supervisor
does not import this package.
"""

from __future__ import annotations

#: the name of the header with the key of the service; a request with the right key needs no login
KEY_HEADER = "x-dashboard-key"
#: the name of the header with the token of the session; a browser sends it with every POST request except a
#: login
TOKEN_HEADER = "x-dashboard-token"  # noqa: S105 - the name of a header
#: the path of the request for a login link, for programs that have the key
LOGIN_LINKS = "/api/v1/login-links"
