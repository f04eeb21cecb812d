"""Read an OpenAPI document in a git revision, and the files that it refers to."""

from __future__ import annotations

import posixpath
import subprocess
from pathlib import Path

from infra_openapi.document import Reader, text
from infra_openapi.errors import CompareError

#: The maximum number of seconds for one git command.
_TIMEOUT = 30.0
_NOT_GIT_HINT = "Write a Python app as module:attribute, and a file as its path."
_FILES_HINT = (
    "Check out the revision in a folder (`git worktree add FOLDER REVISION`), and compare its file with "
    "`--allow-network` or `--root`."
)
_SHALLOW_HINT = (
    "In CI, a clone often contains only the newest commit: run `git fetch --depth 1 origin BRANCH`, then use "
    "FETCH_HEAD as the revision."
)


def reader(source: str, directory: Path) -> tuple[str, Reader]:
    """Return the name of the document in a git revision, and a function that reads files of the revision.

    The name has the form `REVISION:/path/from/the/root`.

    As in git, `main:openapi.yaml` is relative to the root of the repository, `main:./openapi.yaml` to
    `directory`; `:openapi.yaml`, without a revision, is the staged file.

    Raises:
        CompareError: git, the repository or the revision does not exist, or `source` has another form.
    """
    revision, _, path = source.partition(":")
    if not path or revision.startswith("-"):
        raise CompareError(
            source, "the source is not a git revision: write REVISION:PATH, as in main:openapi.yaml"
        )
    repository = _Repository(directory, source)
    commit = repository.commit(revision) if revision else ""
    tree = f"the revision {revision}" if revision else "git's index"
    relative_path = ""
    if path.startswith(("./", "../")):
        path = repository.from_top(path)
    elif not path.startswith("/"):
        relative_path = repository.from_top(path)
    # The slash after the revision makes the paths in the revision absolute, so that relative references are
    # resolved inside the revision.
    start = f"{revision}:/"
    path = path.lstrip("/")

    def read(name: str) -> bytes:
        if "://" in name:
            raise CompareError(
                name,
                (
                    "the file is on the network, but a document in a git revision can refer only to files in "
                    "this revision"
                ),
                hint=_FILES_HINT,
            )
        if not name.startswith(start):
            raise CompareError(name, f"the file is outside of {tree}", hint=_FILES_HINT)
        requested_path = name.removeprefix(start)
        entry = repository.blob(commit, requested_path)
        if entry is None:
            hint = ""
            if (
                requested_path == path
                and relative_path
                and repository.blob(commit, relative_path) is not None
            ):
                hint = (
                    "The path is relative to the root of the repository. For a path in the current "
                    f"directory, write {revision}:./{path}."
                )
            raise CompareError(name, f"the file is not in {tree}", hint=hint)
        kind, size, blob = entry
        if kind != "blob":
            raise CompareError(name, "the path is a directory, not a file")
        if size > text.MAX_BYTES:
            raise CompareError(name, f"the file has {size:,} bytes; the limit is {text.MAX_BYTES:,}")
        return repository.content(blob, name)

    return start + path, read


class _Repository:
    def __init__(self, directory: Path, source: str) -> None:
        self._directory, self._source = directory, source
        code, _, message = self._git("rev-parse", "--git-dir")
        if code:
            if "not a git repository" in message:
                message = f"the source is in a git revision, but {directory} is not in a git repository"
            raise CompareError(source, message, hint=_NOT_GIT_HINT)

    def commit(self, revision: str) -> str:
        code, out, _ = self._git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
        if code:
            raise CompareError(
                self._source,
                f"the revision {revision!r} does not exist in the git repository",
                hint=_SHALLOW_HINT,
            )
        return out.decode().strip()

    def from_top(self, path: str) -> str:
        _, prefix, _ = self._git("rev-parse", "--show-prefix")
        joined = posixpath.normpath(posixpath.join(prefix.decode().strip(), path))
        if joined.startswith("../"):
            raise CompareError(self._source, f"the path {path} is outside of the git repository")
        return joined

    def blob(self, commit: str, path: str) -> tuple[str, int, str] | None:
        """Return kind, size in bytes and hash of the git object at `path`; None if the path does not exist.

        Symbolic links are followed, except in git's index.
        """
        if "\n" in path or "\0" in path:
            return None
        request = f"{commit}:{path}\n".encode(errors="surrogateescape")
        _, out, _ = self._git("cat-file", "--batch-check", "--follow-symlinks", input_bytes=request)
        # For an existing object, git prints one line of three words. For a missing path or a broken link, git
        # prints a different text.
        match out.decode(errors="replace").split():
            case [blob, kind, size] if kind in {"blob", "tree"}:
                return kind, int(size), blob
            case _:
                return None

    def content(self, blob: str, name: str) -> bytes:
        code, content, message = self._git("cat-file", "blob", blob)
        if code:
            raise CompareError(name, message)
        return content

    def _git(self, *arguments: str, input_bytes: bytes = b"") -> tuple[int, bytes, str]:
        """Run the program `git`, and return its exit code, its output, and the first line of its errors."""
        try:
            process = subprocess.run(
                ["git", "-C", str(self._directory), *arguments],
                input=input_bytes,
                capture_output=True,
                timeout=_TIMEOUT,
                check=False,
            )
        except FileNotFoundError as error:
            raise CompareError(
                self._source,
                "the source is in a git revision, but `git` is not on PATH",
                hint="Install git, or add the folder of `git` to PATH.",
            ) from error
        except subprocess.TimeoutExpired as error:
            raise CompareError(self._source, f"git did not finish within {_TIMEOUT:g} s") from error
        message = process.stderr.decode(errors="replace").strip().removeprefix("fatal: ").partition("\n")[0]
        return process.returncode, process.stdout, message
