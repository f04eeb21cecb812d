"""The mail server of the kind with the role `mail-inbox`: SMTP, an inbox with a JSON API, and a web page.

The supervisor starts the server as a service: `python -m infra_runtime.inbox`. The server needs aiosmtpd, the
standard library and no other package. The module `message` is also used by the pytest plugin.
"""
