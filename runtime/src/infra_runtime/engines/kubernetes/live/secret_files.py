"""The program that reads passwords: `python -m infra_runtime.engines.kubernetes.live.secret_files`.

It writes the values of keys of a Secret in the cluster to files that only the user can read. The values are
never printed.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from infra_runtime.engines.kubernetes.live.kubectl import Kubectl
from infra_runtime.errors import ClusterError, InfraError


def write(kubectl: Kubectl, secret: str, files: Mapping[str, Path]) -> None:
    """Write the value of each key of a Secret to the file of the key, with mode 0600.

    Raises `ClusterError` if the Secret or a key is missing, or a value is not a printable ASCII text.
    """
    secrets = kubectl.require("get", "secret", secret, "--ignore-not-found", "--output=json").objects()
    values: Mapping[str, str] = (secrets[0].get("data") or {}) if secrets else {}
    if missing := sorted(files.keys() - values.keys()):
        what = f"has no key {', '.join(missing)}" if secrets else "does not exist"
        raise ClusterError(
            f"the Secret {secret} in the namespace {kubectl.namespace} {what}",
            "`infra workflows deploy` creates it in development; in other environments, create it yourself.",
        )
    for key, path in files.items():
        _write(path, _text(values[key], f"{key} in the Secret {secret}"))


def _text(encoded: str, name: str) -> str:
    try:
        text = base64.b64decode(encoded, validate=True).decode("ascii").strip()
    except (binascii.Error, UnicodeDecodeError):
        text = ""
    if not text or not text.isprintable():
        problem = f"the value of {name} is empty, or contains other characters than printable ASCII"
        raise ClusterError(problem, "Generate the password as hexadecimal digits: `openssl rand -hex 24`.")
    return text


def _write(path: Path, text: str) -> None:
    beside = path.with_name(f"{path.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
    beside.replace(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files in the arguments; return the exit status."""
    parser = argparse.ArgumentParser(prog="secret_files", allow_abbrev=False)
    for option in ("kubectl", "namespace", "context", "secret"):
        parser.add_argument(f"--{option}", required=True)
    parser.add_argument("files", nargs="+", metavar="KEY=FILE")
    chosen = parser.parse_args(arguments)
    kubectl = Kubectl(program=chosen.kubectl, namespace=chosen.namespace, context=chosen.context)
    pairs = (pair.partition("=") for pair in chosen.files)
    try:
        write(kubectl, chosen.secret, {key: Path(path) for key, _, path in pairs})
    except InfraError as error:
        print(f"{error}. {error.hint}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
