"""Names that hold secrets, and texts without the secrets in them."""

from __future__ import annotations

import pytest

from fakes.samples import every
from infra_runtime.redaction import (
    MASK,
    is_secret_name,
    masked_assignments,
    masked_text,
    passwords_in,
    redacted,
)


@every(
    [
        *("password", "PGPASSWORD", "db_passwd", "passphrase", "requirepass", "REDIS_PASS", "MYSQL_PWD"),
        *("secret", "SECRET_SAUCE", "clientSecret", "token", "auth_token", "accessToken", "credentials"),
        *("key", "API_KEY", "apikey", "apiKey", "APIKey", "X-Api-Key", "AWS_ACCESS_KEY_ID", "private-key"),
        *("Authorization", "Cookie", "masterauth", "JWT", "account_password"),
    ]
)
def test_a_name_shows_that_its_value_is_a_secret(name) -> None:
    assert is_secret_name(name)


@every(
    [
        *("KEYBOARD", "monkey", "passage", "url", "host", "port", "accounts", "keyspace", "compass"),
        *("API_KEY_FILE", "tls_key_path", "PASSWORD_LENGTH", "token_type", "superuser_email", "bypassed"),
        *("tokenizer", "max-tokens", "sort_keys", "token.endpoint.url", "TOKEN_URL", "cookie-domain"),
        *("password.encoder.iterations", "JWT_EXPIRE_MINUTES", "cache_key_prefix", "token_issuer"),
    ]
)
def test_a_name_that_only_resembles_a_secret_is_not_one(name) -> None:
    assert not is_secret_name(name)


@every(
    [
        ("postgres://me:hunter2@db/x", "postgres://me:***@db/x"),
        ("redis://:hunter2@db:6379/0", "redis://:***@db:6379/0"),
        ("postgres://me:a/b@c:d@db/x", "postgres://me:***@db/x"),
        ("amqp://me:hunter2@[::1]:5672/", "amqp://me:***@[::1]:5672/"),
        ("from redis://:one@a to redis://:two@b", "from redis://:***@a to redis://:***@b"),
        ('"nats://a1b2c3d4e5@host:4222"', '"nats://***@host:4222"'),
        ("https://ghp_0123456789@example.org/x", "https://***@example.org/x"),
        ("postgresql://postgres@/postgres", "postgresql://postgres@/postgres"),
        ("http://127.0.0.1:8080/@vite/client", "http://127.0.0.1:8080/@vite/client"),
        ("http://127.0.0.1:8080/ (me@example.org)", "http://127.0.0.1:8080/ (me@example.org)"),
        ("db://u:${secret.password}@${host}", "db://u:${secret.password}@${host}"),
        ("me@example.org: no URL", "me@example.org: no URL"),
    ]
)
def test_the_passwords_of_urls_are_masked_and_references_are_not(text, masked) -> None:
    assert masked_text(text) == masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("host=db password=hunter2 user=me", "host=db password=*** user=me"),
        ("http://db/?user=me&api_key=hunter2&x=1", "http://db/?user=me&api_key=***&x=1"),
        ('password="with a space" user=me', 'password="***" user=me'),
        ("options=password=hunter2", "options=password=***"),
        ("a=b", "a=b"),
    ],
)
def test_the_values_of_parameters_with_the_name_of_a_secret_are_masked(text, masked) -> None:
    assert masked_assignments(text) == masked


def test_a_password_in_a_url_is_also_known_in_its_decoded_form() -> None:
    assert list(passwords_in("db://me:p%40ss@host")) == ["p%40ss", "p@ss"]


def test_known_secrets_are_masked_in_text_unless_they_are_too_short() -> None:
    text = redacted(
        "login with hunter2-long failed, hunter2 too, and abc", ["hunter2", "hunter2-long", "abc"]
    )

    assert text == f"login with {MASK} failed, {MASK} too, and abc"


@every(
    [
        ("@" + "://a:x" * 40_000, "@" + "://a:x" * 40_000),
        ("http://a@" + "http://a" * 40_000, "http://a@" + "http://a" * 40_000),
        ("://a:" + "1" * 200_000 + "@h", f"://a:{MASK}@h"),
        ("=" + "a" * 200_000 + " password=x", "=" + "a" * 200_000 + f" password={MASK}"),
        ("a=" * 20_000 + "b", "a=" * 20_000 + "b"),
    ]
)
def test_a_long_text_is_masked_in_a_time_proportional_to_its_length(text: str, masked: str) -> None:
    """With a search at each position, this test would take many minutes."""
    assert masked_assignments(masked_text(text)) == masked
    assert len(list(passwords_in(text))) == masked.count(f":{MASK}@")
