"""The Dockerfile for a user's own services that have neither an image nor a Dockerfile."""

from __future__ import annotations

import posixpath

#: Source: docker-library/official-images, `library/python`
PYTHON = "python:3.13.15-slim-bookworm"
#: the files that can list the packages to install; the first file that exists in the project is used
REQUIREMENTS = ("requirements.txt", "pyproject.toml")
#: patterns of files that are not copied to the image
_IGNORED = (
    ".git", ".venv", "venv", "**/__pycache__", "**/*.pyc", ".pytest_cache", ".mypy_cache", ".ruff_cache",
    ".tox", ".data", ".data-test", ".env", ".env.*",
)  # fmt: skip


def dockerfile(requirements: str) -> str:
    """Return the Dockerfile that installs the packages in `requirements` and copies the project to /app.

    The program does not run as root. Its user is the owner of `/data` and of a new volume that is mounted at
    `/data`.
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
    """Return the text of the ignore file, with patterns of files that are not copied to the generated image.

    The patterns match local state and the folder of secrets. `output` is the path of the folder with the
    Compose files. Docker reads the file `NAME.dockerignore` in the folder of the Dockerfile NAME. Source:
    Docker documentation, "Build context".
    """
    secrets = posixpath.normpath(posixpath.join(output, "secrets"))
    secret_patterns = () if secrets.startswith("..") else (secrets,)
    return "".join(f"{pattern}\n" for pattern in (*_IGNORED, *secret_patterns))
