"""What the demo labels: its own handwritten digits, or images of the user's."""

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from gtplus_cli.simulation import digits
from gtplus_cli.simulation.answers import Answers
from gtplus_cli.simulation.replay import Replay, Replayed
from gtplus_cli.simulation.workforce import Labelers, Workforce
from gtplus_cli.upload import File, read_folder, upload
from gtplus_runtime.labels import BadLine, Label, attributes_of, labels_of, read_lines
from gtplus_runtime.problems import Problem, Refused, counted, shown

MOST_IMAGES, MOST_BYTES = 2_000, 1_000_000_000
"""The most that the demo takes: it runs on one machine, and its provider keeps a copy."""

PLACEHOLDER = "not looked at"
"""The class of images of which nothing is known."""


class Material(ABC):
    """What a run of the demo labels.

    Attributes:
        batch: the batch's name.
        attribute: the label attribute.
        what: the images in a few words.
        truth: what the labels are held against, for the page at the end.
        names: of the images, below the batch's folder.
        workforce: who labels them.
        answers: the labels that count as true.
    """

    batch: str
    attribute: str
    what: str
    truth: str
    names: Sequence[str]
    workforce: Labelers
    answers: Answers

    @property
    def folder(self) -> str:
        """The prefix of the batch's images."""
        return f"raw/{self.batch}/"

    @abstractmethod
    def image(self, name: str) -> bytes:
        """The bytes of an image."""

    @abstractmethod
    def upload(self, s3: Any, bucket: str) -> None:
        """Upload the images to the folder."""

    def manifest(self, bucket: str) -> str:
        """The input manifest of the images."""
        return "".join(json.dumps({"source-ref": f"s3://{bucket}/{self.folder}{name}"}) + "\n" for name in self.names)


class Digits(Material):
    """The handwritten digits that come with the demo; the workforce has learned from others.

    Args:
        error_rate: the share that the workforce labels wrong on purpose in the first round.
        seed: of those errors.
    """

    batch, attribute = "digits-001", "digit"
    truth = "against the true labels"

    def __init__(self, error_rate: float, seed: int) -> None:
        self._images = digits.batch()
        self.names = list(self._images)
        self.what = f"{len(self.names)} images of handwritten digits (scikit-learn)"
        self.workforce = Workforce(error_rate=error_rate, seed=seed)
        self.answers = Answers.of_digits()

    def image(self, name: str) -> bytes:
        """The bytes of an image."""
        return self._images[name]

    def upload(self, s3: Any, bucket: str) -> None:
        """Upload the images to the folder."""
        for name, png in self._images.items():
            s3.put_object(Bucket=bucket, Key=self.folder + name, Body=png, ContentType="image/png")


class OwnImages(Material):
    """A folder of the user's images, with labels from a manifest, from the names of their folders, or none.

    Args:
        folder: the folder.
        manifest: an augmented manifest whose lines name the images; they are found by the end of their paths.
        attribute: the label attribute in it. Default: the only one.
        error_rate: the share that gets another image's label on purpose in the first round.
        seed: of those errors.

    Raises:
        Refused: naming all that is wrong with folder and manifest.
    """

    batch = "own-001"

    def __init__(
        self, folder: Path, manifest: Path | None, attribute: str | None, *, error_rate: float, seed: int
    ) -> None:
        self._files = {file.key: file for file in read_folder(folder, "").files if _is_image(file.path)}
        self.names = list(self._files)
        problems = self._check(folder)
        labels: dict[str, Replayed] = {}
        self.attribute = "label"
        if manifest is not None and not problems:
            read = _read_manifest(manifest, attribute)
            problems += read.problems
            self.attribute = read.attribute
            labels = _matched(self.names, read.labels)
            if not labels and not problems:
                mend = "give the manifest of these images: they are found by the end of their paths"
                problems.append(Problem("--manifest", "names images of the folder", str(manifest), mend))
        if problems:
            raise Refused(400, f"the demo was not started: {counted(problems)}", problems)
        self.what = f"{len(self.names)} images of {folder}"
        if manifest is not None:
            missing = len(self.names) - len(labels)
            self.truth = f"against {manifest}, whose labels are replayed" + (
                f"; {missing} images have none there" if missing else ""
            )
        else:
            labels, self.truth = _labels_of_folders(self.names)
        start = f"/{self.folder}"
        self.workforce = Replay(labels, start, error_rate, seed)
        names = {name: label.name for name, label in labels.items()}
        self.answers = Answers({name: label.value for name, label in labels.items()}, start=start, names=names)

    def _check(self, folder: Path) -> list[Problem]:
        problems = []
        if not self._files:
            problems.append(Problem("--images", "holds images", str(folder), "name a folder of images"))
        if len(self._files) > MOST_IMAGES:
            rule = f"at most {MOST_IMAGES:,} images, since the demo runs on this machine"
            problems.append(Problem("--images", rule, f"{len(self._files):,}", "name a folder of fewer"))
        size = sum(file.size for file in self._files.values())
        if size > MOST_BYTES:
            rule = f"at most {MOST_BYTES:,} bytes, since the demo runs on this machine"
            problems.append(Problem("--images", rule, f"{size:,}", "name a folder of fewer"))
        return problems

    def image(self, name: str) -> bytes:
        """The bytes of an image."""
        return self._files[name].path.read_bytes()

    def upload(self, s3: Any, bucket: str) -> None:
        """Upload the images to the folder."""
        files = [File(file.path, self.folder + name, file.size) for name, file in self._files.items()]
        upload(s3, bucket, files, lambda _bytes: None)


def _is_image(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            image.verify()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False
    return True


class _Read:
    def __init__(self, attribute: str) -> None:
        self.attribute = attribute
        self.labels: dict[str, Label] = {}
        self.problems: list[Problem] = []


def _read_manifest(path: Path, attribute: str | None) -> _Read:
    """The labels of a manifest by the path of their object."""
    found: dict[str, dict[str, Label]] = {}
    read = _Read(attribute or "label")
    with path.open("rb") as file:
        for number, entry in read_lines(iter(lambda: file.read(1 << 20), b"")):
            if isinstance(entry, BadLine):
                mend = "mend the line, or drop it"
                read.problems.append(Problem(f"line {number}", "a line of an output manifest", shown(entry.text), mend))
                continue
            for name in attributes_of(entry) if attribute is None else [attribute]:
                for label in labels_of(entry, name):
                    if label.failure is None:
                        found.setdefault(name, {})[label.source.removeprefix("s3://").partition("/")[2]] = label
    if len(found) != 1:
        known = ", ".join(found) or "none"
        mend = "name one with --attribute" if found else "give a manifest with labels"
        read.problems.append(Problem("--attribute", "the one label attribute that is replayed", known, mend))
    else:
        (read.attribute, read.labels), *_ = found.items()
    return read


def _matched(names: Sequence[str], labels: dict[str, Label]) -> dict[str, Replayed]:
    """The labels of images: by a key that ends in the image's path, or the other way round; of several the shortest."""
    by_file: dict[str, list[str]] = {}
    for key in labels:
        by_file.setdefault(key.rpartition("/")[2], []).append(key)
    matched = {}
    for name in names:
        candidates = by_file.get(name.rpartition("/")[2], [])
        keys = [k for k in candidates if f"/{k}".endswith(f"/{name}") or f"/{name}".endswith(f"/{k}")]
        if keys:
            label = labels[min(keys, key=lambda key: (len(key), key))]
            matched[name] = Replayed(label.value, label.metadata, label.name)
    return matched


def _labels_of_folders(names: Sequence[str]) -> tuple[dict[str, Replayed], str]:
    """The classes of images by their folders, and what that is worth."""
    folders = {name: name.rpartition("/")[0] for name in names}
    kinds = sorted(set(folders.values()))
    if not all(kinds):
        label = Replayed(0, {"class-name": PLACEHOLDER}, PLACEHOLDER)
        return dict.fromkeys(names, label), (
            "these are placeholders, nobody looked at the images: give --manifest, or a folder for each class"
        )
    labels = {name: Replayed(kinds.index(folder), {"class-name": folder}, folder) for name, folder in folders.items()}
    return labels, "against the names of the folders, which count as true"
