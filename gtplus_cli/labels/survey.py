"""A first look at a manifest that is to be converted: what is in it, so that nothing is half written and then refused.

The memory does not grow with the manifest, for all that objects with several lines are found exactly: a filter of
fixed size (B. Bloom, "Space/time trade-offs in hash coding with allowable errors", CACM 13, 1970) tells which lines
may repeat an object, and only those are remembered.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from gtplus_cli.labels.reading import Fetch, Line, lines_in
from gtplus_runtime.labels import Annotation, Box, Color, Cuboid, Keypoint, Kind, Label, Polygon, Polyline, Span

_BITS = 1 << 24
"""Of the filter: 2 MiB. With a million objects two in a thousand are remembered in vain."""


@dataclass
class Survey:
    """What is in a manifest.

    Attributes:
        objects: objects with a label, by attribute.
        kinds: labels of each kind and type.
        things: annotations by what they are, in a word: `boxes`, `classes`, …
        root: the folder that holds all objects, e.g. `s3://bucket/raw/`.
        last: of labels (object and attribute) that may have several lines, the number of the last.
    """

    objects: Counter[str] = field(default_factory=Counter)
    kinds: Counter[tuple[Kind, str]] = field(default_factory=Counter)
    things: Counter[str] = field(default_factory=Counter)
    root: str = ""
    last: dict[tuple[str, str], int] = field(default_factory=dict)
    _ids: dict[str, set[str | None]] = field(default_factory=dict)

    def classes(self) -> list[str]:
        """The classes in the order of their ids in the class map where each has one of its own, else of their names."""
        ids = {name: next(iter(ids)) for name, ids in self._ids.items() if len(ids) == 1}
        numbers = {name: int(id_) for name, id_ in ids.items() if id_ is not None and id_.isdecimal()}
        if len(numbers) == len(self._ids) == len(set(numbers.values())):
            return sorted(numbers, key=lambda name: numbers[name])
        return sorted(self._ids)

    def note(self, label: Label) -> None:
        """Take a label into account."""
        self.objects[label.attribute] += 1
        self.kinds[label.kind, label.type] += 1
        for annotation in label.annotations:
            self.things[thing(annotation, label.kind)] += 1
            ids = self._ids.setdefault(annotation.name, set())
            if len(ids) < 2:
                ids.add(annotation.class_id)


_THINGS = {Box: "boxes", Span: "spans", Polygon: "polygons", Polyline: "polylines", Keypoint: "key points"}
_THINGS |= {Color: "classes of masks", Cuboid: "cuboids"}


def thing(annotation: Annotation, kind: Kind) -> str:
    """What an annotation is, in a word."""
    if annotation.geometry is not None:
        return _THINGS[type(annotation.geometry)]
    return "classes" if kind is Kind.CLASSES else f"{kind} that cannot be read"


def survey(path: Path, attribute: str | None, fetch: Fetch | None) -> Survey:
    """Read a manifest once and note what is in it."""
    found = Survey()
    filter_ = bytearray(_BITS // 8)
    root: str | None = None
    for line in lines_in(path, attribute, fetch):
        if line.bad:
            continue
        if line.source.startswith("s3://"):
            for folder in _folders(line):
                root = folder if root is None else root
                while not folder.startswith(root):
                    root = root[: root.rfind("/", 0, -1) + 1]
            for label in line.labels:
                if _seen(filter_, f"{line.source}\n{label.attribute}"):
                    found.last[line.source, label.attribute] = line.number
        for label in line.labels:
            if label.failure is None:
                found.note(label)
    found.root = root or ""
    return found


def _folders(line: Line) -> set[str]:
    """Where the images of a line lie: the object itself, or the frames of its sequence."""
    frames = {frame for label in line.labels for frame in label.frames if frame.startswith("s3://")}
    return {uri[: uri.rfind("/") + 1] for uri in frames or {line.source}}


def _seen(filter_: bytearray, text: str) -> bool:
    digest = blake2b(text.encode("utf-8", "replace"), digest_size=12).digest()
    before = True
    for start in range(0, 12, 3):
        bit = int.from_bytes(digest[start : start + 3], "little") % _BITS
        before &= bool(filter_[bit >> 3] & 1 << (bit & 7))
        filter_[bit >> 3] |= 1 << (bit & 7)
    return before


def labels_to_convert(
    path: Path, found: Survey, attribute: str | None, fetch: Fetch | None, left: Counter[str]
) -> Iterator[Label]:
    """The labels of the manifest, the last line of each object; what is left out is counted."""
    for line in lines_in(path, attribute, fetch):
        if line.bad:
            left["lines that cannot be read"] += 1
        for label in line.labels:
            if found.last.get((line.source, label.attribute), 0) > line.number:
                left["labels of objects that have a later one"] += 1
            elif label.failure is not None:
                left["objects that failed" if label.failure else "objects without a label"] += 1
            else:
                yield label
