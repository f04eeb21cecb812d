"""The commands `infra dev jwt issue` and `infra dev jwt inspect`, for JSON web tokens in development."""

from __future__ import annotations

import base64
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from infra_cli import output, usage_errors
from infra_cli.target import Target, target
from infra_runtime.errors import ConfigurationError, UnknownServiceError
from infra_runtime.messages import ENDPOINTS, Nothing

if TYPE_CHECKING:
    from infra_runtime.web.tokens import Tokens

SERVICE = click.option(
    "--service",
    metavar="NAME",
    help="Use the variables WEB_… of this service of the running stack; they replace those of the shell.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")


@click.group(cls=usage_errors.Group, short_help="Issue and inspect JSON web tokens for development.")
def command() -> None:
    """Issue and inspect JSON web tokens of an application that uses `infra_runtime.web`.

    The key, the issuer and the audience are read from the variables WEB_JWT_… of the shell. With --service,
    the variables of a service of the running stack have priority. Secrets and tokens are never arguments,
    because other users can see the arguments of a program.

    \b
    infra dev jwt issue ada --role clerk --service api
    infra dev jwt inspect < token.txt
    """


@command.command(short_help="Issue a token.")
@click.argument("subject")
@click.option("--role", "roles", metavar="ROLE", multiple=True, help="A role of the actor; can be repeated.")
@click.option(
    "--kind",
    type=click.Choice(["user", "admin", "service"]),
    default="user",
    help="The kind of the actor; an administrator has all permissions.  [default: user]",
)
@click.option("--refresh", is_flag=True, help="Print the refresh token instead of the access token.")
@click.option(
    "--secret-stdin", is_flag=True, help="Read the secret from standard input instead of WEB_JWT_SECRET."
)
@SERVICE
@JSON
@target
def issue(
    target: Target,
    *,
    subject: str,
    roles: tuple[str, ...],
    kind: str,
    refresh: bool,
    secret_stdin: bool,
    service: str | None,
    as_json: bool,
) -> None:
    """Print an access token (or, with --refresh, a refresh token) for the actor with the id SUBJECT.

    \b
    Examples:
      infra dev jwt issue ada --role clerk
      curl -H "Authorization: Bearer $(infra dev jwt issue ada --service api)" localhost:8000/orders
    """
    secret = sys.stdin.readline().rstrip("\r\n") if secret_stdin else None
    tokens = configured_tokens(target, service, secret)
    if tokens is None:
        hint = (
            "Set WEB_JWT_SECRET, select a service that has this variable with --service NAME, "
            "or use --secret-stdin."
        )
        raise ConfigurationError("no key for JSON web tokens is set", "WEB_JWT_SECRET", hint)
    from infra_runtime.web.access import Actor, ActorKind

    pair = tokens.issue(Actor(id=subject, kind=ActorKind(kind), roles=frozenset(roles)))
    if as_json:
        output.say_json({"access": pair.access, "refresh": pair.refresh})
    else:
        output.say(pair.refresh if refresh else pair.access)


@command.command(short_help="Print and check a token.")
@SERVICE
@JSON
@target
def inspect(target: Target, *, service: str | None, as_json: bool) -> int:
    """Print the header and the claims of the token on standard input, and check the token.

    The check does not detect that the application has revoked the token. The exit code is 1 if the token is
    not valid. Without a key, the token is printed and not checked.

    \b
    Example:
      infra dev jwt issue ada --service api | infra dev jwt inspect --service api
    """
    token = sys.stdin.readline().strip().removeprefix("Bearer ")
    header, claims = (_decoded(part) for part in (*token.split("."), "", "")[:2])
    tokens = configured_tokens(target, service)
    reason = invalid_reason(tokens, token, claims) if tokens else None
    if as_json:
        valid = None if reason is None else not reason
        output.say_json({"header": header, "claims": claims, "valid": valid, "reason": reason or ""})
    else:
        # ASCII, because a foreign token may contain control characters
        output.say(json.dumps({"header": header, "claims": claims}, indent=2))
        states = {None: "not checked, because no key is set", "": "valid"}
        output.say(f"the token is {states.get(reason, f'not valid: {reason!r}')}")
    return int(bool(reason))


def configured_tokens(target: Target, service: str | None, secret: str | None = None) -> Tokens | None:
    """Return the `Tokens` with the key from the environment variables; None if no key is set.

    If `service` is given, the variables WEB_… of this service are set first; a variable that the service does
    not have keeps the value of the shell. `secret` then replaces WEB_JWT_SECRET. Raises `ConfigurationError`
    if a variable is invalid or a library is missing, `NoStackError` if no stack is running, and
    `UnknownServiceError` if the service has not been started.
    """
    try:
        from infra_runtime.web.settings import WebSettings
        from infra_runtime.web.tokens import Tokens
    except ModuleNotFoundError as error:
        hint = "Run `python -m pip install 'pytest-infra[web]'`."
        raise ConfigurationError(f"the library {error.name} is missing", hint=hint) from None
    if service:
        with target.client() as client:
            endpoints = client.call(ENDPOINTS, Nothing()).services
        if service not in endpoints:
            raise UnknownServiceError(service, sorted(endpoints))
        os.environ.update(
            (name, value) for name, value in endpoints[service].env.items() if name.startswith("WEB_")
        )
    if secret is not None:
        os.environ["WEB_JWT_SECRET"] = secret
    try:
        return Tokens.from_settings(WebSettings())
    except ValueError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        raise ConfigurationError("; ".join(lines[1:3]), "the variables WEB_…") from None


def invalid_reason(tokens: Tokens, token: str, claims: Any) -> str:
    """Return the reason why a token is not valid; an empty string for a valid token."""
    from infra_runtime.web.tokens import TokenError

    use = claims.get("use") if isinstance(claims, dict) else None
    try:
        tokens.decode(token, "refresh" if use == "refresh" else "access")
    except TokenError as error:
        return error.reason
    return ""


def _decoded(part: str) -> Any:
    """Return the JSON in a part of a token; None if the part is invalid."""
    try:
        return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        return None
