"""The Dockerfile for a user's own services that have neither an image nor a Dockerfile."""

from __future__ import annotations

import posixpath

#: Source: docker-library/official-images, `library/python`
PYTHON = "python:3.13.15-slim-bookworm"
#: files that list the packages to install; the first file that the project has is used
REQUIREMENTS = ("requirements.txt", "pyproject.toml")
#: files that are left out of the image
_IGNORED = (
    ".git", ".venv", "venv", "**/__pycache__", "**/*.pyc", ".pytest_cache", ".mypy_cache", ".ruff_cache",
    ".tox", ".data", ".data-test", ".env", ".env.*",
)  # fmt: skip


def dockerfile(requirements: str) -> str:
    """Return the Dockerfile that installs the packages in `requirements` and copies the project to /app.

    The program does not run as root. `/data`, and a new volume that is mounted at `/data`, belong to the user
    of the program.
    """
    if requirements == "pyproject.toml":
        install = "COPY . .\nRUN pip install --no-cache-dir .\n"
    else:
        install = f"COPY {requirements} ./\nRUN pip install --no-cache-dir -r {requirements}\nCOPY . .\n"
    return (
        f"FROM {PYTHON}\n"
        "ENV PYTHONUNBUFFERED=1\n"
        "RUN useradd --create-home --uid 10001 app && mkdir /data && chown app:app /data\n"
        "WORKDIR /app\n"
        f"{install}"
        "USER app\n"
    )


def ignore_file(output: str) -> str:
    """Return the text of the ignore file: patterns of files that are not copied to the generated image.

    These files are local state and the folder of secrets; `output` is the folder of the Compose files.

    Docker reads `NAME.dockerignore` beside the Dockerfile NAME. Source: Docker documentation, "Build
    context".
    """
    secrets = posixpath.normpath(posixpath.join(output, "secrets"))
    outside = () if secrets.startswith("..") else (secrets,)
    return "".join(f"{pattern}\n" for pattern in (*_IGNORED, *outside))
