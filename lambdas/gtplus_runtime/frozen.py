"""The input as it was frozen, held against the input as it is."""

from collections.abc import Iterable
from typing import Any

from gtplus_runtime.found import FROZEN
from gtplus_runtime.objects import Objects
from gtplus_runtime.sequences import freeze_files, read_sequence

_EXAMPLES = 5


def input_changes(objects: Objects, inventory: str, reads: Iterable[str]) -> dict[str, Any]:
    """What has changed since the inventory was frozen, by ETag: counts, and the first objects by name.

    Args:
        objects: the project's data.
        inventory: the URI of the inventory.
        reads: S3 URIs of the prefixes that the project reads.

    Returns:
        `changed`, `missing` and `examples`; a sequence of which a frame changed has changed.
    """
    etags: dict[str, str] = {}
    frames: dict[str, dict[str, Any]] = {}
    for entry in objects.lines(inventory):
        if "source-ref" in entry:
            etags[entry["source-ref"]] = entry[FROZEN]["etag"]
            if "frames" in entry[FROZEN]:
                frames[entry["source-ref"]] = entry[FROZEN]["frames"]
    now = objects.find_all(etags, reads)
    missing = [uri for uri in etags if uri not in now]
    changed = {uri: None for uri, etag in etags.items() if uri in now and now[uri].etag != etag}
    same = [uri for uri in frames if uri in now and uri not in changed]
    files = {uri: read_sequence("", content, "video").files for uri, content in objects.read_all(same).items()}
    there = objects.find_all((file for each in files.values() for file in each), reads)
    changed.update((uri, None) for uri, each in files.items() if freeze_files(each, there) != frames[uri])
    return {
        "changed": len(changed),
        "missing": len(missing),
        "examples": [*changed, *missing][:_EXAMPLES],
    }
