"""What is in a manifest of labels, and what is wrong with it."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from gtplus_cli.labels.reading import Fetch, Line, chunks_of, lines_in, opened
from gtplus_runtime.json_lines import numbered_lines
from gtplus_runtime.labels import BadLine, Statistics, read_line
from gtplus_runtime.labels.checks import OVERLAP, check_label
from gtplus_runtime.problems import Problem

SHOWN_OF_A_KIND = 100
"""Problems of one kind that the answer spells out; all of them are in the report file."""

_MENDS = {
    "line that cannot be read": "mend or drop the line",
    "object with several lines": "keep one line for each object",
    "object without a line": "have it labeled, or listed with a failure-reason",
    "line of an object that is not in the input": "drop the line",
    "object without a label": "have it labeled, or give a failure-reason",
    "class without an entry in the class map": "add it to the class-map of the metadata",
}


@dataclass
class LabelReport:
    """What a check found.

    Attributes:
        lines: lines that were read, empty ones left out.
        objects: different objects among them.
        statistics: counts, by label attribute.
        counts: problems of each kind.
        problems: the first `SHOWN_OF_A_KIND` of each kind.
    """

    lines: int = 0
    objects: int = 0
    statistics: dict[str, Statistics] = field(default_factory=lambda: defaultdict(Statistics))
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """The report as JSON."""
        return {
            "lines": self.lines,
            "objects": self.objects,
            "attributes": {name: statistics.summary() for name, statistics in sorted(self.statistics.items())},
            "problems": sum(self.counts.values()),
            "counts": dict(self.counts),
            "shown": [problem._asdict() for problem in self.problems],
        }


def label_statistics(
    manifest: str | Path, *, attribute: str | None = None, fetch: Fetch | None = None, s3: Any = None
) -> dict[str, Statistics]:
    """Count what a manifest of labels holds.

    Args:
        manifest: a path, or an S3 URI.
        attribute: the label attribute to count; all where none is named.
        fetch: reads the sequence files of video labels; None counts such labels without looking into them.
        s3: the S3 client to fetch with; None makes one of the default session.

    Returns:
        The counts of each label attribute.

    Raises:
        Refused: there is nothing to read.
    """
    found: dict[str, Statistics] = defaultdict(Statistics)
    with opened(manifest, s3) as path:
        for line in lines_in(path, attribute, fetch):
            for label in line.labels:
                found[label.attribute].add(label)
    return dict(found)


def check_labels(
    manifest: str | Path,
    *,
    attribute: str | None = None,
    inputs: str | Path | None = None,
    report: Path | None = None,
    overlap: float = OVERLAP,
    fetch: Fetch | None = None,
    s3: Any = None,
) -> LabelReport:
    """Check a manifest of labels: its lines, whether it is complete, its classes, boxes and spans.

    Args:
        manifest: a path, or an S3 URI.
        attribute: the label attribute to check; all that have metadata where none is named.
        inputs: the input manifest (or a batch's inventory): its objects must have a line each, and no others.
        report: all problems are written here, as JSON Lines; None writes none.
        overlap: the intersection over union, 0 to 1, from which on two boxes of one class count as drawn twice.
        fetch: reads the sequence files of video labels; None leaves them unread.
        s3: the S3 client to fetch with; None makes one of the default session.

    Raises:
        Refused: there is nothing to read.
    """
    found = LabelReport()
    with opened(manifest, s3) as path, report.open("w") if report else nullcontext() as out:
        check = _Check(found, out, overlap)
        for line in lines_in(path, attribute, fetch):
            found.lines += 1
            if line.bad:
                check.say("line that cannot be read", f"line {line.number}", f"{line.bad.reason}: {line.bad.text!r}")
            else:
                check.line(line)
        if not found.lines:
            check.say("no line", str(manifest), "the manifest is empty")
        if inputs is not None:
            with opened(inputs, s3) as listed:
                check.complete(_sources(listed))
        found.objects = len(check.seen)
    return found


def _sources(path: Path) -> Iterable[tuple[int, str]]:
    for number, line in numbered_lines(chunks_of(path)):
        entry = read_line(line)
        if not isinstance(entry, BadLine):
            yield number, str(entry.get("source-ref", entry.get("source")))


class _Check:
    """Gathers problems: the first of each kind in the answer, all of them in the file."""

    def __init__(self, found: LabelReport, out: IO[str] | None, overlap: float) -> None:
        self._found, self._out, self._overlap = found, out, overlap
        self.seen: dict[str, int] = {}

    def say(self, kind: str, place: str, value: str) -> None:
        self._found.counts[kind] += 1
        mend = _MENDS.get(kind, "have the label mended")
        if self._found.counts[kind] <= SHOWN_OF_A_KIND:
            self._found.problems.append(Problem(place, kind, value[:200], mend))
        if self._out:
            self._out.write(json.dumps({"kind": kind, "place": place, "value": value, "mend": mend}) + "\n")

    def line(self, line: Line) -> None:
        place = f"line {line.number}"
        for label in line.labels:
            self._found.statistics[label.attribute].add(label)
            if label.failure == "":
                self.say("object without a label", place, f"{label.source}: nothing under {label.attribute}")
            for defect in check_label(label, self._overlap):
                self.say(defect.kind, f"{place}, {label.attribute}", defect.detail)
        if not line.labels:
            self.say("object without a label", place, f"{line.source}: no label attribute with metadata")
        first = self.seen.setdefault(line.source, line.number)
        if first != line.number:
            self.say("object with several lines", place, f"{line.source}; line {first} has it")

    def complete(self, wanted: Iterable[tuple[int, str]]) -> None:
        named = set()
        for number, source in wanted:
            named.add(source)
            if source not in self.seen:
                self.say("object without a line", f"line {number} of the input", source)
        for source, number in self.seen.items():
            if source not in named:
                self.say("line of an object that is not in the input", f"line {number}", source)
