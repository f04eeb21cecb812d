"""Start the mail server: `python -m infra_runtime.inbox --help` prints the arguments."""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import logging
import sys
from pathlib import Path


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra_runtime.inbox")
    parser.add_argument(
        "--host", default="127.0.0.1", help="the address on which the SMTP server and the HTTP server listen"
    )
    parser.add_argument("--smtp-port", type=int, default=1025)
    parser.add_argument("--http-port", type=int, default=8025)
    parser.add_argument("--folder", type=Path, required=True, help="the folder of the messages")
    parser.add_argument("--max-messages", type=int, default=1000)
    parser.add_argument(
        "--max-bytes", type=int, default=256 * 2**20, help="the largest size of all messages in bytes"
    )
    parser.add_argument(
        "--max-message-bytes", type=int, default=32 * 2**20, help="the largest size of a message in bytes"
    )
    parser.add_argument("--durable", action="store_true", help="write each message to the disk at once")
    return parser


def main() -> int:
    """Run the server, and return the exit status."""
    arguments = _arguments().parse_args()
    if importlib.util.find_spec("aiosmtpd") is None:
        print(
            f"{sys.executable} does not have the package aiosmtpd; "
            "install it with `python -m pip install 'pytest-infra[mail]'`",
            file=sys.stderr,
        )
        return 1
    from infra_runtime.inbox.server import Settings, serve

    # aiosmtpd writes a warning about itself for each login.
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    try:
        asyncio.run(serve(Settings(**vars(arguments))))
    except OSError as error:
        print(f"the mail server cannot run: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
