"""Storage of values that expire, in memory, or in Valkey if the application has several processes.

Sessions, revoked tokens and rate limits use this storage.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from infra_runtime.value import frozen


@frozen
class Hit:
    """The result of the check of a rate limit for one request."""

    allowed: bool
    #: the number of further requests that are allowed immediately
    remaining: int
    #: the seconds until a request is allowed; 0 if this request is allowed
    retry_after: float


class Storage(Protocol):
    """Values with an expiry time in seconds; `MemoryStorage` describes the methods."""

    async def get(self, key: str, *, extend: float = 0) -> bytes | None: ...
    async def put(self, key: str, value: bytes, seconds: float, *, only_new: bool = False) -> bool: ...
    async def delete(self, key: str) -> None: ...
    async def hit(self, key: str, limit: int, period: float) -> Hit: ...


class MemoryStorage:
    """Stores at most `max_keys` values in this process.

    If a value with a new key does not fit, expired values are removed, and then, if necessary, the value
    whose key was stored first.
    """

    def __init__(self, *, max_keys: int = 100_000, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_keys, self._clock = max_keys, clock
        #: key → value, and the time at which it expires
        self._values: dict[str, tuple[bytes, float]] = {}
        self._lock = threading.Lock()

    async def get(self, key: str, *, extend: float = 0) -> bytes | None:
        """Return a value, or None; if `extend` is not 0, the value expires after `extend` seconds."""
        with self._lock:
            value = self._get(key)
            if value is not None and extend:
                self._put(key, value, extend)
            return value

    async def put(self, key: str, value: bytes, seconds: float, *, only_new: bool = False) -> bool:
        """Store a value; if `only_new` is true and the key exists, store nothing and return False."""
        with self._lock:
            if only_new and self._get(key) is not None:
                return False
            self._put(key, value, seconds)
            return True

    async def delete(self, key: str) -> None:
        """Delete a value; nothing happens if the key does not exist."""
        with self._lock:
            self._values.pop(key, None)

    async def hit(self, key: str, limit: int, period: float) -> Hit:
        """Count a request if a limit of `limit` requests per `period` seconds allows it; return a `Hit`."""
        with self._lock:
            now = self._clock()
            stored = self._get(key)
            answer, arrival = counted(now, float(stored) if stored else now, limit, period)
            if answer.allowed:
                self._put(key, repr(arrival).encode(), arrival - now)
            return answer

    def _get(self, key: str) -> bytes | None:
        value, expires = self._values.get(key, (None, 0.0))
        return value if expires > self._clock() else None

    def _put(self, key: str, value: bytes, seconds: float) -> None:
        now = self._clock()
        if key not in self._values and len(self._values) >= self._max_keys:
            self._values = {name: item for name, item in self._values.items() if item[1] > now}
            while len(self._values) >= self._max_keys:
                del self._values[next(iter(self._values))]
        self._values[key] = value, now + seconds


def counted(now: float, arrival: float, limit: int, period: float) -> tuple[Hit, float]:
    """Return whether a request is allowed, and the new theoretical arrival time if it is allowed.

    The generic cell rate algorithm stores one number per client, is exact, and does not permit twice the
    limit at the border between two periods. Source: ITU-T I.371, annex A.
    """
    share = period / limit
    new_arrival = max(arrival, now) + share
    excess = new_arrival - now - period
    # a rounding error of the additions must not cause the refusal of the last allowed request
    if excess > share * 1e-6:
        return Hit(allowed=False, remaining=0, retry_after=excess), arrival
    remaining = int((period - (new_arrival - now)) / share + 1e-6)
    return Hit(allowed=True, remaining=remaining, retry_after=0.0), new_arrival


class ValkeyClient(Protocol):
    """The methods of `valkey.asyncio.Valkey` (and `redis.asyncio.Redis`) that `ValkeyStorage` calls."""

    def get(self, name: Any) -> Awaitable[Any]: ...
    def getex(self, name: Any, *, px: Any) -> Awaitable[Any]: ...
    def set(self, name: Any, value: Any, *, px: Any, nx: bool) -> Awaitable[Any]: ...
    def delete(self, *names: Any) -> Awaitable[Any]: ...
    def eval(self, script: str, numkeys: int, *keys_and_args: Any) -> Any: ...


#: The function `counted` as a script. It uses the clock of the server, so that different clocks of the hosts
#: of the application have no effect.
_HIT = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1e6
local share = ARGV[2] / ARGV[1]
local arrival = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now) + share
local excess = arrival - now - ARGV[2]
if excess > share * 1e-6 then
    return {0, 0, tostring(excess)}
end
redis.call('SET', KEYS[1], string.format('%.6f', arrival), 'PX', math.ceil((arrival - now) * 1000))
return {1, math.floor((ARGV[2] - (arrival - now)) / share + 1e-6), '0'}
"""


class ValkeyStorage:
    """Stores values in Valkey or Redis; keys begin with a prefix. Errors of the client are not handled."""

    def __init__(self, client: ValkeyClient, *, prefix: str = "web:") -> None:
        self._client, self._prefix = client, prefix

    async def get(self, key: str, *, extend: float = 0) -> bytes | None:
        """Return a value, or None; if `extend` is not 0, the value expires after `extend` seconds."""
        if extend:
            value = await self._client.getex(self._prefix + key, px=max(1, int(extend * 1000)))
        else:
            value = await self._client.get(self._prefix + key)
        return value.encode() if isinstance(value, str) else value

    async def put(self, key: str, value: bytes, seconds: float, *, only_new: bool = False) -> bool:
        """Store a value; if `only_new` is true and the key exists, store nothing and return False."""
        milliseconds = max(1, int(seconds * 1000))
        return bool(await self._client.set(self._prefix + key, value, px=milliseconds, nx=only_new))

    async def delete(self, key: str) -> None:
        """Delete a value; nothing happens if the key does not exist."""
        await self._client.delete(self._prefix + key)

    async def hit(self, key: str, limit: int, period: float) -> Hit:
        """Count a request if a limit of `limit` requests per `period` seconds allows it; return a `Hit`."""
        allowed, remaining, excess = await self._client.eval(_HIT, 1, self._prefix + key, limit, period)
        return Hit(allowed=bool(allowed), remaining=int(remaining), retry_after=float(excess))
