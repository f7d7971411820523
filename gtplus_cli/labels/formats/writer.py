"""What every writer of a format is."""

import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gtplus_cli.labels.pictures import Picture, Sizes, pictures_of
from gtplus_cli.labels.reading import Fetch
from gtplus_cli.labels.survey import Survey
from gtplus_runtime.labels import Annotation, Label

to_json = json.JSONEncoder(separators=(",", ":")).encode
"""JSON in ASCII on one line: any reader takes it, whatever is in a name."""


class Source(NamedTuple):
    """What is converted.

    Attributes:
        survey: what is going to come.
        classes: the names of the classes, in the order that numbers them.
        fetch: reads the files that labels refer to; None reads none.
        sizes: tells the sizes of images; None where only the labels do.
    """

    survey: Survey
    classes: list[str]
    fetch: Fetch | None = None
    sizes: Sizes | None = None


class Writer(ABC):
    """Writes labels in a format, one by one.

    Args:
        output: the file or folder to write.
        source: what is going to come.

    Attributes:
        written: labels that were written.
        left: counts what the format cannot hold, in words.
        clashing: names of images that were left out, since that of another one differs in the ending alone.
    """

    def __init__(self, output: Path, source: Source) -> None:
        self.output, self.survey, self.classes, self.fetch = output, source.survey, source.classes, source.fetch
        self.written = 0
        self.left: Counter[str] = Counter()
        self.clashing: list[str] = []
        self.number = {name: index for index, name in enumerate(source.classes)}
        self._sizes = source.sizes

    @abstractmethod
    def add(self, label: Label) -> None:
        """Write a label, or count why not."""

    @abstractmethod
    def close(self) -> None:
        """Write what stands at the end."""

    def pictures(self, label: Label) -> Iterator[Picture]:
        """The images of a label; where it does not tell their sizes, the images themselves may."""
        for picture in pictures_of(label, self.survey.root):
            if picture.size is None and self._sizes is not None:
                picture = picture._replace(size=self._sizes(picture.name))
            yield picture

    def leave_what_it_says_besides(self, annotation: Annotation) -> None:
        """Count what an annotation says besides its class and its place."""
        if annotation.confidence is not None:
            self.left["confidences"] += 1
        if any(annotation.details.values()):
            self.left["annotations' further attributes"] += 1

    def leave_what_is_said_of_a_frame(self, picture: Picture) -> None:
        """Count what a video frame says as a whole."""
        if picture.besides:
            self.left["frames' attributes"] += 1

    def leave_clashing(self, name: str) -> None:
        """Leave out an image whose name differs from that of another one in the ending alone."""
        self.left["images whose name differs from another one's in the ending alone"] += 1
        self.clashing.append(name)
