"""Which files are data of which task type, by profile. Pure.

`ground-truth` is ordinary Ground Truth's list: "Supported data formats", "Input Data Quotas" and, for sequences, "3D
Point Cloud and Video Frame Labeling Job Quotas" in the Amazon SageMaker developer guide. `ground-truth-plus` has none
written anywhere: it takes every file but one that is plainly of another kind (a video among images, an archive, a
file that a desktop left behind).
"""

from typing import NamedTuple

PROFILES = ("ground-truth-plus", "ground-truth")
"""The profiles that know formats."""


class Formats(NamedTuple):
    """What a profile takes of one task type.

    Attributes:
        suffixes: of the files that it takes, in lower case.
        inline: whether it takes `source`, the object as text in the line.
        max_bytes: of one file; None where the limit of the batch alone counts.
        max_pixels: of one image.
        max_frames: of a sequence file.
        max_sequences: of a manifest.
    """

    suffixes: tuple[str, ...]
    inline: bool = False
    max_bytes: int | None = None
    max_pixels: int | None = None
    max_frames: int | None = None
    max_sequences: int | None = None


_IMAGES = (".jpg", ".jpeg", ".png")

GROUND_TRUTH: dict[str, Formats] = {
    "image": Formats(_IMAGES, max_bytes=40_000_000, max_pixels=100_000_000),
    "text": Formats((".txt",), inline=True),
    "video": Formats((".mp4", ".ogg", ".webm", ".json"), max_frames=2_000, max_sequences=10),
    "3d-point-cloud": Formats((".json", ".bin", ".txt", ".pcd", ".ply", ".xyz"), max_frames=500),
}
"""Ordinary Ground Truth, by task type. It has no task of audio; point clouds are told by their content ("Accepted Raw
3D Data Formats": binary or ASCII), so the suffixes in use for them are taken."""

_KINDS: dict[str, tuple[str, ...]] = {
    "image": (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".heic", ".dcm"),
    "video": (".mp4", ".webm", ".mov", ".avi", ".mkv", ".m4v", ".mpg", ".mpeg", ".ogv", ".ogg", ".json"),
    "audio": (".wav", ".mp3", ".flac", ".ogg", ".m4a", ".aac", ".opus", ".aiff"),
    "text": (".txt", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".html", ".htm", ".md", ".pdf", ".docx"),
    "3d-point-cloud": (".bin", ".pcd", ".ply", ".las", ".laz", ".xyz", ".txt", ".json"),
    "other": (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar", ".exe", ".dll", ".py", ".ini", ".db", ".manifest", ".tmp"),
}
_KNOWN = frozenset(suffix for suffixes in _KINDS.values() for suffix in suffixes)


def check_name(key: str, task_type: str | None, profile: str) -> tuple[str, str] | None:
    """What is wrong with the name of a file: the rule and what to do, or None.

    Args:
        key: the file's key.
        task_type: of the project; None where it is not known.
        profile: `ground-truth`, `ground-truth-plus`, or anything else for no check.
    """
    if task_type is None or task_type == "custom" or profile not in PROFILES:
        return None
    name = key.rpartition("/")[2]
    if name.startswith("."):
        return f"a file of the task type {task_type}, and this is a hidden file", "leave it out"
    suffix = suffix_of(name)
    if profile == "ground-truth":
        formats = GROUND_TRUTH.get(task_type)
        if formats is None:
            return f"Ground Truth has no task type {task_type}", "choose another provider"
        if suffix in formats.suffixes:
            return None
        return f"one of {', '.join(formats.suffixes)} for the task type {task_type}", "convert it, or leave it out"
    if suffix in _KNOWN and suffix not in _KINDS[task_type]:
        return f"a file of the task type {task_type}", "leave it out"
    return None


def usual_suffixes(task_type: str | None, profile: str) -> tuple[str, ...]:
    """Suffixes with which a file's name is surely right; the empty one where every name is."""
    if task_type is None or task_type == "custom" or profile not in PROFILES:
        return ("",)
    formats = GROUND_TRUTH.get(task_type)
    if profile == "ground-truth":
        return formats.suffixes if formats else ()
    return _KINDS[task_type]


def suffix_of(key: str) -> str:
    """The suffix of a file's name, with its dot, in lower case; empty where there is none."""
    name = key.rpartition("/")[2]
    return name[name.rfind(".") :].lower() if "." in name[1:] else ""


def formats_of(task_type: str | None, profile: str) -> Formats | None:
    """The limits of a profile for a task type, or None where it names none."""
    return GROUND_TRUTH.get(task_type or "") if profile == "ground-truth" else None


def has_sequences(task_type: str | None, profile: str) -> bool:
    """Whether a `.json` file lists the frames of a sequence."""
    return task_type in ("video", "3d-point-cloud") and profile in PROFILES
