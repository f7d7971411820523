"""Input manifests: what a line must be, and the check of a whole batch. Pure.

Source of the format: "Input Data" of Ground Truth in the Amazon SageMaker developer guide: JSON Lines in UTF-8, an
object a line with `source-ref` (an S3 URI) or `source` (inline text). Source of the limits: `places.Limits`.
"""

import json
import re
import tempfile
from array import array
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from gtplus_runtime.formats import check_name, formats_of, has_sequences, suffix_of, usual_suffixes
from gtplus_runtime.found import FROZEN, Found
from gtplus_runtime.json_lines import read_lines
from gtplus_runtime.places import Limits, split_uri
from gtplus_runtime.problems import Problem, shown
from gtplus_runtime.report import Report
from gtplus_runtime.sequences import MAX_BYTES as MAX_SEQUENCE
from gtplus_runtime.sequences import freeze_files, read_sequence

MAX_KEY = 1_024
"""Bytes of a key: S3's own limit ("Naming Amazon S3 objects" in the S3 user guide)."""

MAX_ATTRIBUTE = 20_000
"""Characters of an attribute, of ordinary Ground Truth ("Input Data")."""

_BUCKET = re.compile(r"[A-Za-z0-9._-]{3,63}")
_DOTS = re.compile(r"(?:^|/)\.\.?(?:/|$)")
_IN_MEMORY = 8_000_000


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


Bad = tuple[str, Problem]
"""A problem with its kind."""

Keep = Callable[[str, dict[str, Any] | None], object]
"""Takes a good line as it stands, and what was found of its object."""


class Rules(NamedTuple):
    """What an input is checked against.

    Attributes:
        limits: the provider's.
        reads: S3 URIs of the prefixes that may be read; None for anywhere.
        task_type: the project's, or None where it is not known: then file formats are not checked.
    """

    limits: Limits = Limits()
    reads: tuple[str, ...] | None = None
    task_type: str | None = None


def inventory_line(text: str, frozen: dict[str, Any] | None) -> bytes:
    """A line of an inventory: the customer's line to the letter, with what was found of its object at its end."""
    if frozen is None:
        return f"{text}\n".encode()
    return f'{text.rstrip().removesuffix("}")}, "{FROZEN}": {json.dumps(frozen)}}}\n'.encode()


def check_lines(
    chunks: Iterable[bytes], rules: Rules, report: Report, finder: Finder | None = None, keep: Keep | None = None
) -> None:
    """Check an input manifest against the format, the prefixes, the provider's limits and formats, and the objects.

    An object that is named twice is found among the first `max_files` lines: a longer manifest is refused anyway, and
    so the memory has a bound whatever the length.

    Args:
        chunks: the manifest's bytes, in pieces of any size.
        rules: what to check it against.
        report: takes what is found.
        finder: looks at the objects. Default: they are not looked at.
        keep: is given every good line, in order.
    """
    pending = _Pending()
    seen: dict[str, int] = {}
    limit = rules.limits.max_files
    judge = _Judge(rules)
    easy_prefixes, easy_names, is_plain = judge.prefixes, judge.names, judge.is_plain
    total = 0
    for number, text, entry, fault in read_lines(chunks):
        total += 1
        if fault is not None:
            report.refuse(fault.kind, Problem(f"line {number}", fault.rule, fault.value, fault.mend))
            continue
        # Nearly every line is as easy as this; `judge` says of the others, slowly, what is wrong, if anything.
        uri = entry.get("source-ref") if type(entry) is dict else None
        if not (
            type(uri) is str
            and uri.startswith(easy_prefixes)
            and is_plain(uri)
            and (len(entry) == 1 or (easy_names and "source" not in entry and FROZEN not in entry))
        ):
            bad = judge.line(number, text, entry)
            if bad is not None:
                report.refuse(*bad)
                continue
            easy_prefixes = judge.prefixes
            if uri is None:
                judge.flag(entry["source"], report)
        if total > limit:
            continue
        if uri is not None:
            first = seen.setdefault(uri, number)
            if first != number:
                rule = f"an object is named once; line {first} has it"
                report.refuse("named twice", Problem(f"line {number}", rule, uri, "drop the line"))
                continue
        if finder is not None:
            pending.add(number, uri, text if keep is not None else None)
        else:
            report.good += 1
            if keep is not None:
                keep(text, None)
    report.total = report.files = total
    if total > limit:
        rule = f"at most {limit:,} files in a batch"
        mend = "split it into several batches"
        report.refuse("too many files", Problem("batch", rule, f"{total:,} lines", mend))
    if finder is not None:
        _look_up(pending, rules, report, finder, keep)
    _check_whole(report, rules)
    # What is looked up is found last; people read by lines.
    report.problems.sort(key=_line_of)


def check_listing(
    bucket: str, objects: Iterable[tuple[str, Found]], rules: Rules, report: Report, keep: Keep | None = None
) -> None:
    """Check the objects under a prefix, as `check_lines` does; folder markers are left out.

    The listing is read no further than the first object that is too many.

    Args:
        bucket: the bucket.
        objects: keys with what was found, as they are listed.
        rules: what to check them against.
        report: takes what is found.
        keep: is given the line of every good object, in order.
    """
    limit, largest = rules.limits.max_files, _max_bytes(rules)
    judge = _Judge(rules)
    sequences = has_sequences(rules.task_type, rules.limits.formats)
    for key, found in objects:
        if key.endswith("/"):
            continue
        report.total += 1
        if report.total > limit:
            mend = "choose a narrower prefix, or write a manifest"
            rule = f"at most {limit:,} files in a batch"
            report.refuse("too many files", Problem("batch", rule, f"more than {limit:,}", mend))
            break
        report.files += 1
        if found.size > largest or sequences or not judge.is_plain(key):
            bad = _judge_object(f"s3://{bucket}/{key}", key, found.size, rules)
            if bad is not None:
                report.refuse(*bad)
                continue
        report.size += found.size
        report.good += 1
        if keep is not None:
            keep(json.dumps({"source-ref": f"s3://{bucket}/{key}"}), found.frozen())
    _check_whole(report, rules)


def check_region(bucket: str, region: str | None, rules: Rules, report: Report) -> None:
    """Check where the data lie.

    Args:
        bucket: a bucket of the input.
        region: its region; None where nobody knows, and then it is not checked.
        rules: what to check it against.
        report: takes what is found.
    """
    if region is not None and rules.limits.region not in (None, region):
        rule, mend = f"data lie in {rules.limits.region}", "copy them to a bucket there"
        report.refuse("wrong region", Problem("batch", rule, f"{bucket}: {region}", mend))


def _judge_object(uri: str, key: str, size: int, rules: Rules) -> Bad | None:
    if has_sequences(rules.task_type, rules.limits.formats) and suffix_of(key) == ".json":
        rule = "a prefix holds files, and this looks like a sequence"
        mend = "write a manifest that names the sequence files, and create the batch from it"
        return "wrong format", Problem(uri, rule, "", mend)
    return _check_key(uri, uri, key, rules) or _check_size(uri, size, rules, uri)


class _Judge:
    """Says what is wrong with a line, one rule after the other; and which lines are so plain that nothing can be."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        # Without prefixes of a project, a bucket is known to be well named once a line of it was judged.
        self.prefixes = rules.reads or ()
        self._suffixes = usual_suffixes(rules.task_type, rules.limits.formats)
        self.names = rules.limits.formats != "ground-truth"

    def is_plain(self, name: str) -> bool:
        """Whether nothing can be wrong with the name of an object, be it its URI or its key."""
        return (
            name.endswith(self._suffixes)
            and name.isascii()
            and name.isprintable()
            and len(name) < MAX_KEY
            and "/." not in name
            and name[-1] != "/"
            and name[0] != "."
        )

    def line(self, number: int, text: str, entry: Any) -> Bad | None:
        """What is wrong with the JSON value of a line."""
        place = f"line {number}"
        if not isinstance(entry, dict):
            mend = 'write {"source-ref": "s3://…"}'
            return "not an object", Problem(place, "one JSON object a line", shown(entry), mend)
        sources = [name for name in ("source-ref", "source") if name in entry]
        if not sources:
            return "no source", Problem(place, 'needs "source-ref" or "source"', "", "add one of them")
        if len(sources) == 2:
            return "two sources", Problem(place, 'has either "source-ref" or "source"', "", "drop one of them")
        value = entry[sources[0]]
        if not isinstance(value, str) or not value:
            return "empty source", Problem(place, f"{sources[0]!r} is a text", shown(value), "fill it in")
        if FROZEN in entry:
            return "reserved name", Problem(place, f'"{FROZEN}" is a name of ours', "", "drop that attribute")
        try:
            value.encode()
        except UnicodeEncodeError:
            rule, mend = "text that UTF-8 can write", "take the lone surrogates out"
            return "not UTF-8", Problem(place, rule, shown(value), mend)
        bad = self._reference(place, value) if sources == ["source-ref"] else self._inline(place)
        return bad or self._attributes(place, text, entry)

    def flag(self, text: str, report: Report) -> None:
        """Count inline text that looks like personal data."""
        for name, pattern in _PERSONAL.items():
            if pattern.search(text):
                report.flags[name] += 1

    def _reference(self, place: str, uri: str) -> Bad | None:
        bucket, key = split_uri(uri)
        if not (uri.startswith("s3://") and bucket and key):
            return "no S3 URI", Problem(place, '"source-ref" is an S3 URI', shown(uri), "write s3://bucket/key")
        reads = self._rules.reads
        if reads is None:
            if not _BUCKET.fullmatch(bucket):
                return "no S3 URI", Problem(place, "a name that a bucket can have", shown(bucket), "mend the name")
            if len(self.prefixes) < 100 and f"s3://{bucket}/" not in self.prefixes:
                self.prefixes += (f"s3://{bucket}/",)
        elif not uri.startswith(reads):
            kind = "outside the prefixes" if any(split_uri(p)[0] == bucket for p in reads) else "another bucket"
            rule, mend = "must lie in a prefix that this project reads", f"choose one under {', '.join(reads)}"
            return kind, Problem(place, rule, shown(uri)[1:-1], mend)
        return _check_key(place, uri, key, self._rules)

    def _inline(self, place: str) -> Bad | None:
        formats = formats_of(self._rules.task_type, self._rules.limits.formats)
        if formats is None or formats.inline:
            return None
        rule = f'objects of the task type {self._rules.task_type} are files, named by "source-ref"'
        return "wrong format", Problem(place, rule, '"source"', "upload the object, and name it")

    def _attributes(self, place: str, text: str, entry: dict[str, Any]) -> Bad | None:
        if self.names:
            return None
        for name, value in entry.items():
            if name.startswith("$"):
                rule = "the name of an attribute does not begin with $"
                return "attribute name", Problem(place, rule, shown(name), "rename it")
            # The whole line is hardly ever that long, so its attributes need not be counted.
            if len(text) > MAX_ATTRIBUTE:
                length = len(value) if isinstance(value, str) else len(json.dumps(value))
                if length > MAX_ATTRIBUTE:
                    rule = f"an attribute has at most {MAX_ATTRIBUTE:,} characters"
                    problem = Problem(place, rule, f"{shown(name)}: {length:,}", "shorten it, or keep it in a file")
                    return "attribute too long", problem
        return None


_PERSONAL = {
    "looks like an e-mail address": re.compile(r"[\w.+-]@[\w-]+\.[A-Za-z]{2,}"),
    "looks like a US social security number": re.compile(r"\b\d{3}-\d{2}-\d{4}\b"),
    "looks like a payment card number": re.compile(r"\b(?:\d{4}[ -]){3}\d{4}\b|\b\d{15,16}\b"),
    "looks like a phone number": re.compile(r"\+\d{1,3}[ (-]?\d[\d ()-]{6,}\d"),
}


def _check_key(place: str, uri: str, key: str, rules: Rules) -> Bad | None:
    value = shown(uri)
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        return "not UTF-8", Problem(place, "a key is text that UTF-8 can write", value, "rename the object")
    if size > MAX_KEY:
        return "no S3 URI", Problem(place, f"a key of S3 has at most {MAX_KEY:,} bytes", value, "shorten the key")
    if _DOTS.search(key):
        # S3 takes such a key to the letter, and nearly everything between here and there resolves it.
        return "no S3 URI", Problem(place, "a key without . or .. as a folder", value, "rename the object")
    if any(ord(character) < 32 or ord(character) == 127 for character in key):
        return "no S3 URI", Problem(place, "a key without control characters", value, "rename the object")
    wrong = check_name(key, rules.task_type, rules.limits.formats)
    if wrong is not None:
        return "wrong format", Problem(place, wrong[0], value, wrong[1])
    return None


def _max_bytes(rules: Rules) -> int:
    formats = formats_of(rules.task_type, rules.limits.formats)
    limit = rules.limits.max_file_bytes
    return limit if formats is None or formats.max_bytes is None else min(limit, formats.max_bytes)


def _check_size(place: str, size: int, rules: Rules, uri: str) -> Bad | None:
    limit = _max_bytes(rules)
    if size <= limit:
        return None
    value = f"{size:,}" if place == uri else f"{uri}: {size:,}"
    return "file too large", Problem(place, f"a file has at most {limit:,} bytes", value, "make it smaller")


class _Pending:
    """Lines that are good so far and whose objects are not looked up yet; the lines themselves lie on disk."""

    def __init__(self) -> None:
        self.numbers = array("Q")
        self.uris: list[str | None] = []
        self._texts = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 (ends with this object)

    def add(self, number: int, uri: str | None, text: str | None) -> None:
        self.numbers.append(number)
        self.uris.append(uri)
        if text is not None:
            self._texts.write(f"{text}\n".encode())

    def __iter__(self) -> Any:
        self._texts.seek(0)
        for number, uri in zip(self.numbers, self.uris, strict=True):
            yield number, uri, self._texts.readline()[:-1].decode()


def _look_up(pending: _Pending, rules: Rules, report: Report, finder: Finder, keep: Keep | None) -> None:
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
            bad = _check_size(place, known.size, rules, uri)
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

    def __init__(
        self, pending: _Pending, rules: Rules, report: Report, finder: Finder, found: dict[str, Found]
    ) -> None:
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
        contents = finder.read([uri for uri in places if found[uri].size <= MAX_SEQUENCE])
        files: dict[str, list[str]] = {}
        for uri, place in places.items():
            if uri not in contents:
                rule = f"a sequence file has at most {MAX_SEQUENCE:,} bytes"
                self._refuse(report, uri, Problem(place, rule, f"{found[uri].size:,}", "split the sequence"))
                continue
            sequence = read_sequence(place, contents[uri], task_type, formats.max_frames if formats else None)
            for problem in sequence.problems:
                self._refuse(report, uri, problem)
            if not sequence.problems:
                files[uri] = self._inside(report, uri, place, sequence.files, rules)
        there = finder.find(file for each in files.values() for file in each)
        for uri, each in files.items():
            for file in each:
                if file not in there:
                    self.bad.add(uri)
                    problem = Problem(f"{places[uri]}", "a frame of the sequence was not found", file, _where(file))
                    report.refuse("object not found", problem)
                elif bad := _check_size(places[uri], there[file].size, rules, file):
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

    def _refuse(self, report: Report, uri: str, problem: Problem) -> None:
        self.bad.add(uri)
        report.refuse("broken sequence", problem)

    def _inside(self, report: Report, uri: str, place: str, files: list[str], rules: Rules) -> list[str]:
        if rules.reads is None:
            return files
        for file in files:
            if not file.startswith(rules.reads):
                self.bad.add(uri)
                rule, mend = (
                    "frames lie in a prefix that this project reads",
                    f"choose one under {', '.join(rules.reads)}",
                )
                report.refuse("outside the prefixes", Problem(place, rule, file, mend))
        return [file for file in files if file.startswith(rules.reads)]


def _check_whole(report: Report, rules: Rules) -> None:
    limit = rules.limits.max_batch_bytes
    if report.size >= limit:
        rule, mend = f"less than {limit:,} bytes in all", "split it into several batches"
        report.refuse("batch too large", Problem("batch", rule, f"{report.size:,}", mend))
    if report.total == 0:
        report.refuse("empty", Problem("batch", "at least one object", "", "look at the input location"))


def _line_of(problem: Problem) -> int:
    number = re.match(r"line (\d+)", problem.place)
    return int(number[1]) if number else 0
