"""What every writer of a format is."""

import json
from abc import ABC, abstractmethod
from collections import Counter
from pathlib import Path

from gtplus_cli.labels.reading import Fetch
from gtplus_cli.labels.survey import Survey
from gtplus_runtime.labels import Label

to_json = json.JSONEncoder(separators=(",", ":")).encode
"""JSON in ASCII on one line: any reader takes it, whatever is in a name."""


class Writer(ABC):
    """Writes labels in a format, one by one.

    Args:
        output: the file or folder to write.
        survey: what is going to come.
        classes: the names of the classes, in the order that numbers them.
        left: counts what the format cannot hold, in words.
        fetch: reads the files that labels refer to; None reads none.

    Attributes:
        written: labels that were written.
    """

    def __init__(
        self, output: Path, survey: Survey, classes: list[str], left: Counter[str], fetch: Fetch | None = None
    ) -> None:
        self.output, self.survey, self.classes, self.left, self.fetch = output, survey, classes, left, fetch
        self.written = 0
        self.number = {name: index for index, name in enumerate(classes)}

    @abstractmethod
    def add(self, label: Label) -> None:
        """Write a label, or count why not."""

    @abstractmethod
    def close(self) -> None:
        """Write what stands at the end."""
