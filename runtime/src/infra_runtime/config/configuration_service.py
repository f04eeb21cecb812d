"""The configuration service: a NATS key-value bucket that many machines read."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from infra_runtime.errors import ConfigurationError
from infra_runtime.manifest import CONFIGURATION_KIND as KIND

#: the time limit for reading the bucket, in seconds
SECONDS = 3.0


def read_bucket(url: str) -> dict[str, Any]:
    """Return the settings in a NATS key-value bucket.

    A dot in a key, as in `services.postgres.port`, nests tables. The path of `url` is the name of the bucket.
    A value that is not JSON is returned as text. An unreadable bucket is an error, because a stack without
    these settings would be a different stack.

    Raises:
        ConfigurationError: the URL is invalid, the server or the bucket is missing, the value of a key is not
        an object although further keys are below it, or nats-py is not installed.
    """
    expected = f"config_service should be a URL {KIND.name}://HOST:PORT/BUCKET"
    try:
        parts = urlsplit(url)
        port = parts.port or KIND.ports["client"]
    except ValueError:  # its text can contain a part of the password
        problem = f"{expected}, but its host or port is not valid"
        raise ConfigurationError(problem, where="config_service") from None
    bucket = parts.path.strip("/")
    server_url = urlunsplit((parts.scheme, parts.netloc, "", "", ""))
    masked_url = f"{parts.scheme}://{parts.hostname}:{port}/{bucket}"
    if parts.scheme not in (KIND.name, "tls") or not bucket:
        raise ConfigurationError(f"{expected}, but is {masked_url!r}", where="config_service")
    try:
        entries = _read_in_thread(server_url, bucket)
    except ImportError:
        raise ConfigurationError(
            "nats-py is not installed, but the configuration service can only be read with nats-py",
            where=masked_url,
            hint=f"Install nats-py with `python -m pip install 'pytest-infra[{KIND.extra}]'`.",
        ) from None
    except Exception as error:
        raise ConfigurationError(
            f"the configuration service cannot be read: {str(error) or type(error).__name__}",
            where=masked_url,
            hint="Start the NATS server, or unset `config_service` and INFRA_CONFIG_SERVICE.",
        ) from error
    return _nested(entries, masked_url)


def _read_in_thread(server: str, bucket: str) -> dict[str, bytes]:
    """Return the entries of a bucket as a mapping from key to value.

    A new thread reads the bucket, because the thread of the caller may already run an event loop.
    """
    result: list[dict[str, bytes]] = []
    failure: list[BaseException] = []

    def read() -> None:
        try:
            result.append(asyncio.run(asyncio.wait_for(_entries(server, bucket), SECONDS)))
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            failure.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return result[0]


async def _entries(server: str, bucket: str) -> dict[str, bytes]:
    import nats  # an extra
    from nats.js.errors import NoKeysError

    async def quiet(_: Exception) -> None:
        """Ignore an error: the failed call raises the error, too; nats-py's default callback would log it."""

    connection = await nats.connect(server, allow_reconnect=False, connect_timeout=1, error_cb=quiet)
    try:
        store = await connection.jetstream().key_value(bucket)
        try:
            keys = await store.keys()
        except NoKeysError:
            return {}
        return {key: (await store.get(key)).value or b"" for key in keys}
    finally:
        await connection.close()


def _nested(entries: dict[str, bytes], masked_url: str) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, content in sorted(entries.items()):
        *tables, name = key.split(".")
        table = tree
        for number, part in enumerate(tables, start=1):
            table = table.setdefault(part, {})
            if not isinstance(table, dict):
                parent = ".".join(tables[:number])
                problem = f"the key {key!r} is not allowed: the value of {parent!r} is not a JSON object"
                raise ConfigurationError(problem, where=masked_url)
        text = content.decode("utf-8", "replace")
        try:
            table[name] = json.loads(text)
        except ValueError:
            table[name] = text
    return tree
