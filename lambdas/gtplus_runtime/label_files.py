"""The files that labels refer to, masks and sequence files, by what S3 keeps of them: none is read."""

import hashlib
from collections.abc import Iterable
from typing import Any

from gtplus_runtime.labels.text import text_of
from gtplus_runtime.objects import Objects
from gtplus_runtime.places import split_uri
from gtplus_runtime.rules import MAX_KEY

_EXAMPLES = 5


def label_files(objects: Objects, uris: Iterable[str], writes: tuple[str, ...]) -> dict[str, Any]:
    """Whether the files of labels are there, and which they are: a hash over names, sizes and ETags.

    Args:
        objects: the project's data.
        uris: the files.
        writes: S3 URIs of the prefixes that take labels; what lies elsewhere cannot be looked at.

    Returns:
        `files`, `missing` and `elsewhere`, counts; `examples`, the first that are missing; `sha256`, the hash.
    """
    wanted = sorted({text_of(uri) for uri in uris})
    if not wanted:
        return {"files": 0, "missing": 0, "elsewhere": 0, "examples": [], "sha256": hashlib.sha256().hexdigest()}
    inside = [uri for uri in wanted if uri.startswith(writes)]
    # A longer name is none, and S3 would refuse to be asked for it.
    there = objects.find_all([uri for uri in inside if len(split_uri(uri)[1].encode()) <= MAX_KEY], writes)
    digest = hashlib.sha256()
    for uri, found in sorted(there.items()):
        digest.update(f"{uri}\n{found.size}\n{found.etag}\n".encode())
    missing = [uri for uri in inside if uri not in there]
    return {
        "files": len(wanted),
        "missing": len(missing),
        "elsewhere": len(wanted) - len(inside),
        "examples": missing[:_EXAMPLES],
        "sha256": digest.hexdigest(),
    }


def missing_files(known: dict[str, Any]) -> list[str]:
    """What `label_files` found to be a problem, as `Coverage.problems` tells the others."""
    return [f"files of labels that are not there: {known['missing']}"] if known["missing"] else []
