"""Environment variables with a part of a database's address, such as DB_HOST or SHOP_POSTGRES_DB.

Many applications build the URL of their database from such variables.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

#: the end of a variable's name → the export that is the variable's value
_PARTS = {
    "HOST": "host",
    "HOSTNAME": "host",
    "SERVER": "host",
    "PORT": "port",
    "NAME": "database",
    "DBNAME": "database",
    "DATABASE": "database",
    "DB": "database",
    "USER": "user",
    "USERNAME": "user",
    "PASSWORD": "password",
    "PASS": "password",
    "PWD": "password",
}
#: matches the name of a variable: optionally the name of an application, a word for the server, and a key of
#: `_PARTS`
_NAME = re.compile(
    rf"(?:\w+_)?(?:DB|DATABASE|POSTGRES|POSTGRESQL|PSQL|PG)_*({'|'.join(_PARTS)})", re.IGNORECASE
)
#: variables that are always set, because an application may have defaults for them. POSTGRES_DB is a variable
#: of the Docker image of PostgreSQL; POSTGRES_HOST and similar variables are set for each service anyway.
USUAL = ("DB_HOST", "DB_PORT", "DB_NAME", "DB_USER", "DB_PASSWORD", "POSTGRES_DB")


def address_variables(database: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Return environment variables (name → value) with the parts of a database's address.

    The result has the names in `USUAL`, and those in `names` that describe a part of an address.
    `database` maps each export to its value.
    """
    values = {}
    for name in (*USUAL, *names):
        match = _NAME.fullmatch(name)
        if match and (value := database.get(_PARTS[match[1].upper()])) is not None:
            values[name] = value
    return values
