"""The objects that the lines of a manifest name: they are looked up at once, and sequence files are read. Pure.

What is pending lies on disk, so that a manifest of long lines does not fill the memory.
"""

import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from gtplus_runtime.formats import Formats, formats_of, has_sequences, suffix_of
from gtplus_runtime.found import Found
from gtplus_runtime.places import split_uri
from gtplus_runtime.problems import Problem
from gtplus_runtime.report import Report
from gtplus_runtime.rules import Rules, check_region, check_size
from gtplus_runtime.sequences import MAX_BYTES, freeze_files, read_sequence

_IN_MEMORY = 8_000_000
_AT_ONCE = 16
"""Sequence files that are in memory at once."""

Keep = Callable[[str, dict[str, Any] | None], object]
"""Takes a good line as it stands, and what was found of its object."""


class Finder(NamedTuple):
    """How a check looks at the objects.

    Attributes:
        find: URIs in, what is there out.
        read: the bytes of objects, for sequence files.
        region_of: the region of a bucket, or None where nobody knows.
    """

    find: Callable[[Iterable[str]], dict[str, Found]]
    read: Callable[[list[str]], dict[str, bytes]]
    region_of: Callable[[str], str | None]


class Pending:
    """Lines that are good so far and whose objects are not looked up yet; the lines themselves lie on disk."""

    def __init__(self) -> None:
        self.numbers = array("Q")
        self.uris: list[str | None] = []
        self._texts = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 (closed when read)

    def add(self, number: int, uri: str | None, text: str | None) -> None:
        """Take a line: its number, its object, and its text where it is needed again."""
        self.numbers.append(number)
        self.uris.append(uri)
        if text is not None:
            self._texts.write(f"{text}\n".encode())

    def __iter__(self) -> Iterator[tuple[int, str | None, str]]:
        # They are read once.
        with self._texts:
            self._texts.seek(0)
            for number, uri in zip(self.numbers, self.uris, strict=True):
                yield number, uri, self._texts.readline()[:-1].decode()


def look_up(pending: Pending, rules: Rules, report: Report, finder: Finder, keep: Keep | None) -> None:
    """Look up the objects of all pending lines, and keep those that are good."""
    for bucket in dict.fromkeys(split_uri(uri)[0] for uri in pending.uris if uri is not None):
        check_region(bucket, finder.region_of(bucket), rules, report)
    found = finder.find(uri for uri in pending.uris if uri is not None)
    sequences = _Sequences(pending, rules, report, finder, found)
    for number, uri, text in pending:
        there: dict[str, Any] | None = None
        if uri is not None:
            place = f"line {number}"
            known = found.get(uri)
            if known is None:
                report.refuse("object not found", Problem(place, "object not found", uri, _where(uri)))
                continue
            bad = check_size(place, known.size, rules, uri)
            if bad is not None:
                report.refuse(*bad)
                continue
            report.size += known.size
            there = known.frozen()
            if uri in sequences.bad:
                continue
            there |= sequences.frozen(uri)
        report.good += 1
        if keep is not None:
            keep(text, there)


def _where(uri: str) -> str:
    mend = "upload it, or drop the line"
    return f"{mend} (a key is written as it is, and not percent-encoded)" if "%" in uri else mend


class _Sequences:
    """The sequence files among the lines: each is read, and its frames are looked up."""

    def __init__(self, pending: Pending, rules: Rules, report: Report, finder: Finder, found: dict[str, Found]) -> None:
        self.bad: set[str] = set()
        self._frozen: dict[str, dict[str, Any]] = {}
        task_type = rules.task_type
        if task_type is None or not has_sequences(task_type, rules.limits.formats):
            return
        places = {
            uri: f"line {number}"
            for number, uri in zip(pending.numbers, pending.uris, strict=True)
            if uri is not None and uri in found and suffix_of(uri) == ".json"
        }
        formats = formats_of(task_type, rules.limits.formats)
        most = formats.max_sequences if formats else None
        if most is not None and len(places) > most:
            rule = f"at most {most} sequences in a manifest"
            problem = Problem("batch", rule, f"{len(places):,}", "split it into several batches")
            report.refuse("too many sequences", problem)
        files = self._read(places, rules, report, finder, found, formats)
        there = finder.find(file for each in files.values() for file in each)
        for uri, each in files.items():
            for file in each:
                if file not in there:
                    self.bad.add(uri)
                    problem = Problem(f"{places[uri]}", "a frame of the sequence was not found", file, _where(file))
                    report.refuse("object not found", problem)
                elif bad := check_size(places[uri], there[file].size, rules, file):
                    self.bad.add(uri)
                    report.refuse(*bad)
            self._frozen[uri] = {"frames": freeze_files(each, there)}
        report.files += len(there)
        report.size += sum(known.size for known in there.values())
        if report.files > rules.limits.max_files >= report.total:
            rule = f"at most {rules.limits.max_files:,} files in a batch"
            problem = Problem("batch", rule, f"{report.files:,} with all frames", "split it into several batches")
            report.refuse("too many files", problem)

    def frozen(self, uri: str) -> dict[str, Any]:
        """What an inventory keeps of the frames of a sequence; empty for what is none."""
        return self._frozen.get(uri, {})

    def _read(
        self,
        places: dict[str, str],
        rules: Rules,
        report: Report,
        finder: Finder,
        found: dict[str, Found],
        formats: Formats | None,
    ) -> dict[str, list[str]]:
        """The files of each good sequence."""
        files: dict[str, list[str]] = {}
        names = list(places)
        for start in range(0, len(names), _AT_ONCE):
            some = names[start : start + _AT_ONCE]
            contents = finder.read([uri for uri in some if found[uri].size <= MAX_BYTES])
            for uri in some:
                place = places[uri]
                if uri not in contents:
                    rule = f"a sequence file has at most {MAX_BYTES:,} bytes"
                    self._refuse(report, uri, Problem(place, rule, f"{found[uri].size:,}", "split the sequence"))
                    continue
                most = formats.max_frames if formats else None
                sequence = read_sequence(place, contents[uri], str(rules.task_type), most)
                for problem in sequence.problems:
                    self._refuse(report, uri, problem)
                if not sequence.problems:
                    files[uri] = self._inside(report, uri, place, sequence.files, rules)
        return files

    def _refuse(self, report: Report, uri: str, problem: Problem) -> None:
        self.bad.add(uri)
        report.refuse("broken sequence", problem)

    def _inside(self, report: Report, uri: str, place: str, files: list[str], rules: Rules) -> list[str]:
        if rules.reads is None:
            return files
        for file in files:
            if not file.startswith(rules.reads):
                self.bad.add(uri)
                mend = f"choose one under {', '.join(rules.reads)}"
                rule = "frames lie in a prefix that this project reads"
                report.refuse("outside the prefixes", Problem(place, rule, file, mend))
        return [file for file in files if file.startswith(rules.reads)]
