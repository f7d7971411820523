"""Sequence files: the frames of a video, or of a point cloud that moves. Pure.

Source: "Create a Video Frame Sequence File" and "Create a Point Cloud Sequence Input Manifest" of the Amazon SageMaker
developer guide: `{"seq-no": 1, "prefix": "s3://bucket/folder/", "number-of-frames": 2, "frames": [{"frame-no": 0,
"unix-timestamp": 1.5, "frame": "0.jpg"}, …]}`; a frame of a point cloud may have a `format`, and `images` with an
`image-path` each.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from gtplus_runtime.problems import Problem, shown
from gtplus_runtime.strict_json import mend_json, read_json

MAX_BYTES = 10_000_000
"""Bytes of a sequence file that is read, ours: 500 frames with eight cameras each have about four million."""

_CLOUD_FORMATS = {f"{kind}/{fields}" for kind in ("binary", "text") for fields in ("xyz", "xyzi", "xyzrgb", "xyzirgb")}
"""Of the page "Accepted Raw 3D Data Formats"."""


class Sequence(NamedTuple):
    """A sequence file that was read.

    Attributes:
        files: the URIs of its frames and of their images, in order, each once.
        problems: all that is wrong with it.
    """

    files: list[str]
    problems: list[Problem]


def read_sequence(place: str, content: bytes, task_type: str, max_frames: int | None = None) -> Sequence:
    """Read a sequence file.

    Args:
        place: where it is named, for the problems: `line 3`.
        content: its bytes.
        task_type: `video` or `3d-point-cloud`.
        max_frames: the most that the provider takes, or None.
    """
    try:
        value = read_json(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        return Sequence([], [Problem(place, "a sequence file is UTF-8 text", f"byte {error.start}", "write it so")])
    except ValueError as error:
        text = shown(content[:80].decode("utf-8", "replace"))
        return Sequence([], [Problem(place, "a sequence file is JSON", text, mend_json(error))])
    if not isinstance(value, dict):
        return Sequence([], [Problem(place, "a sequence file is a JSON object", shown(value), "look at the example")])
    problems = list(_check_head(place, value, max_frames))
    prefix, frames = value.get("prefix"), value.get("frames")
    files: dict[str, None] = {}
    numbers: set[int] = set()
    for position, frame in enumerate(frames if isinstance(frames, list) else []):
        where = f"{place}, frame {position + 1}"
        problems += _check_frame(where, frame, numbers, task_type)
        if isinstance(prefix, str) and isinstance(frame, dict):
            base = prefix if prefix.endswith("/") else prefix + "/"
            files.update((base + name, None) for name in _names(frame))
    return Sequence(list(files), problems)


def freeze_files(files: Iterable[str], found: Mapping[str, Any]) -> dict[str, Any]:
    """What an inventory keeps of the files of a sequence: how many, and a digest of key, size and ETag of each."""
    digest = hashlib.sha256()
    count = 0
    for uri in files:
        there = found.get(uri)
        digest.update(f"{uri} {there.size} {there.etag}\n".encode() if there else f"{uri} -\n".encode())
        count += 1
    return {"count": count, "sha256": digest.hexdigest()}


def _check_head(place: str, value: dict[str, Any], max_frames: int | None) -> Iterator[Problem]:
    number, prefix, count, frames = (value.get(n) for n in ("seq-no", "prefix", "number-of-frames", "frames"))
    if not _is_whole(number):
        yield Problem(place, '"seq-no" is a whole number', shown(number), "number the sequences of the manifest")
    if not isinstance(prefix, str) or not prefix.startswith("s3://"):
        yield Problem(
            place, '"prefix" is the S3 URI of the folder of the frames', shown(prefix), "write s3://bucket/…/"
        )
    if not isinstance(frames, list) or not frames:
        yield Problem(place, '"frames" is a list of at least one frame', shown(frames), "list the frames")
    elif count != len(frames) or isinstance(count, bool):
        rule = '"number-of-frames" is the length of "frames"'
        yield Problem(place, rule, f"{shown(count)}, and there are {len(frames):,}", "mend the number")
    if isinstance(frames, list) and max_frames is not None and len(frames) > max_frames:
        yield Problem(place, f"a sequence has at most {max_frames:,} frames", f"{len(frames):,}", "split the sequence")


def _check_frame(where: str, frame: Any, numbers: set[int], task_type: str) -> Iterator[Problem]:
    if not isinstance(frame, dict):
        yield Problem(where, "a frame is a JSON object", shown(frame), 'write {"frame-no": 0, "frame": "0.jpg"}')
        return
    number, name = frame.get("frame-no"), frame.get("frame")
    if not isinstance(number, int) or not _is_whole(number):
        yield Problem(where, '"frame-no" is a whole number', shown(number), "number the frames in their order")
    elif number in numbers:
        yield Problem(where, '"frame-no" is given once', shown(number), "number the frames in their order")
    else:
        numbers.add(number)
    if not _is_name(name):
        yield Problem(where, '"frame" is the name of a file below the prefix', shown(name), "name the file")
    stamp = frame.get("unix-timestamp")
    # The page of point clouds asks for it, that of video frames does not.
    missing = stamp is None and task_type == "video"
    if not missing and (isinstance(stamp, bool) or not isinstance(stamp, int | float)):
        yield Problem(where, '"unix-timestamp" is a number', shown(stamp), "give the seconds since 1970")
    if task_type != "3d-point-cloud":
        return
    if frame.get("format", "binary/xyzi") not in sorted(_CLOUD_FORMATS):
        known = ", ".join(sorted(_CLOUD_FORMATS))
        yield Problem(where, f'"format" is one of {known}', shown(frame["format"]), "name the format of the file")
    images = frame.get("images", [])
    if not isinstance(images, list) or not all(isinstance(i, dict) and _is_name(i.get("image-path")) for i in images):
        yield Problem(where, '"images" is a list of objects with "image-path"', shown(images), "name the files")


def _names(frame: dict[str, Any]) -> Iterator[str]:
    if _is_name(frame.get("frame")):
        yield frame["frame"]
    images = frame.get("images")
    for image in images if isinstance(images, list) else []:
        if isinstance(image, dict) and _is_name(image.get("image-path")):
            yield image["image-path"]


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_name(value: object) -> bool:
    if not isinstance(value, str) or not value or value.startswith("/") or not value.isprintable():
        return False
    return not {".", "..", ""} & set(value.split("/"))
