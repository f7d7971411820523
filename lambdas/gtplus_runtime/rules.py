"""What a line of an input and its object must be, by the limits and formats of a provider. Pure.

Source of the format: "Input Data" of Ground Truth in the Amazon SageMaker developer guide: an object a line with
`source-ref` (an S3 URI) or `source` (inline text). Source of the limits: `places.Limits`.
"""

import json
import re
from typing import Any, NamedTuple

from gtplus_runtime.formats import check_name, formats_of, suffix_of, usual_suffixes
from gtplus_runtime.found import FROZEN
from gtplus_runtime.places import Limits, split_uri
from gtplus_runtime.problems import Problem, shown
from gtplus_runtime.report import Report

MAX_KEY = 1_024
"""Bytes of a key: S3's own limit ("Naming Amazon S3 objects" in the S3 user guide)."""

MAX_ATTRIBUTE = 20_000
"""Characters of an attribute, of ordinary Ground Truth ("Input Data")."""

_BUCKET = re.compile(r"[A-Za-z0-9._-]{3,63}")
_DOTS = re.compile(r"(?:^|/)\.\.?(?:/|$)")

Bad = tuple[str, Problem]
"""A problem with its kind."""


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


_PERSONAL = {
    "looks like an e-mail address": ("@", re.compile(r"[\w.+-]@[\w-]+\.[A-Za-z]{2,}")),
    "looks like a phone number": ("+", re.compile(r"\+\d{1,3}[ (-]?\d[\d ()-]{6,}\d")),
    "looks like a US social security number": ("-", re.compile(r"\b\d{3}-\d{2}-\d{4}\b")),
    "looks like a payment card number": ("", re.compile(r"\b(?:\d{4}[ -]?){3}\d{3,4}\b")),
}
"""What text looks like, by a character that it must have and a pattern."""


class Judge:
    """Says what is wrong with a line, one rule after the other; and of most lines, at once, that nothing can be.

    Args:
        rules: what must hold.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        # Without prefixes of a project, a bucket is known to be well named once a line of it was judged.
        self._prefixes = rules.reads or ()
        self._suffixes = usual_suffixes(rules.task_type, rules.limits.formats)
        self._other_suffixes: dict[str, bool] = {}
        self._any_names = rules.limits.formats != "ground-truth"
        formats = formats_of(rules.task_type, rules.limits.formats)
        self._inline = formats is None or formats.inline

    def is_plain(self, text: str, entry: Any) -> bool:
        """Whether nothing can be wrong with a line; if not, `line` says what is, if anything.

        Args:
            text: of the line.
            entry: its JSON value.
        """
        if type(entry) is not dict:
            return False
        uri = entry.get("source-ref")
        if type(uri) is str:
            if not (uri.startswith(self._prefixes) and self.is_plain_name(uri)):
                return False
        else:
            source = entry.get("source")
            if not (uri is None and source and type(source) is str and source.isascii() and self._inline):
                return False
        if len(entry) == 1 and len(text) <= MAX_ATTRIBUTE:
            return True
        if FROZEN in entry or ("source-ref" in entry) == ("source" in entry):
            return False
        # A name may be written with an escape, so that it is not told from its first letter in the text.
        return self._any_names or (len(text) <= MAX_ATTRIBUTE and '"$' not in text and '"\\u' not in text)

    def is_plain_name(self, name: str) -> bool:
        """Whether nothing can be wrong with the name of an object, be it its URI or its key."""
        return (
            (name.endswith(self._suffixes) or self._is_plain_suffix(name))
            # What is printable has no surrogates; a character has at most four bytes.
            and name.isprintable()
            and len(name) < (MAX_KEY if name.isascii() else MAX_KEY // 4)
            and "/." not in name
            and name[-1] != "/"
            and name[0] != "."
        )

    def _is_plain_suffix(self, name: str) -> bool:
        suffix = suffix_of(name)
        known = self._other_suffixes.get(suffix)
        if known is None:
            known = check_name(f"name{suffix}", self._rules.task_type, self._rules.limits.formats) is None
            if len(self._other_suffixes) < 1_000:
                self._other_suffixes[suffix] = known
        return known

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
        bad = self._reference(place, value) if sources == ["source-ref"] else self._text(place)
        return bad or self._attributes(place, text, entry)

    def flag(self, text: str, report: Report) -> None:
        """Count inline text that looks like personal data."""
        for name, (sign, pattern) in _PERSONAL.items():
            if sign in text and pattern.search(text):
                report.flags[name] += 1

    def _reference(self, place: str, uri: str) -> Bad | None:
        bucket, key = split_uri(uri)
        if not (uri.startswith("s3://") and bucket and key):
            return "no S3 URI", Problem(place, '"source-ref" is an S3 URI', shown(uri), "write s3://bucket/key")
        reads = self._rules.reads
        if reads is None:
            if not _BUCKET.fullmatch(bucket):
                return "no S3 URI", Problem(place, "a name that a bucket can have", shown(bucket), "mend the name")
            if len(self._prefixes) < 100 and f"s3://{bucket}/" not in self._prefixes:
                self._prefixes += (f"s3://{bucket}/",)
        elif not uri.startswith(reads):
            kind = "outside the prefixes" if any(split_uri(p)[0] == bucket for p in reads) else "another bucket"
            rule, mend = "must lie in a prefix that this project reads", f"choose one under {', '.join(reads)}"
            return kind, Problem(place, rule, shown(uri)[1:-1], mend)
        return check_key(place, uri, key, self._rules)

    def _text(self, place: str) -> Bad | None:
        if self._inline:
            return None
        rule = f'objects of the task type {self._rules.task_type} are files, named by "source-ref"'
        return "wrong format", Problem(place, rule, '"source"', "upload the object, and name it")

    def _attributes(self, place: str, text: str, entry: dict[str, Any]) -> Bad | None:
        if self._any_names:
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


def check_key(place: str, uri: str, key: str, rules: Rules) -> Bad | None:
    """What is wrong with the name of an object."""
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


def max_bytes(rules: Rules) -> int:
    """The bytes that a file has at most."""
    formats = formats_of(rules.task_type, rules.limits.formats)
    limit = rules.limits.max_file_bytes
    return limit if formats is None or formats.max_bytes is None else min(limit, formats.max_bytes)


def check_size(place: str, size: int, rules: Rules, uri: str) -> Bad | None:
    """What is wrong with the size of an object."""
    limit = max_bytes(rules)
    if size <= limit:
        return None
    value = f"{size:,}" if place == uri else f"{uri}: {size:,}"
    return "file too large", Problem(place, f"a file has at most {limit:,} bytes", value, "make it smaller")


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


def check_whole(report: Report, rules: Rules) -> None:
    """Check what can be said when all was read: the bytes of the batch, and whether there is anything."""
    limit = rules.limits.max_batch_bytes
    if report.size >= limit:
        rule, mend = f"less than {limit:,} bytes in all", "split it into several batches"
        report.refuse("batch too large", Problem("batch", rule, f"{report.size:,}", mend))
    if report.total == 0:
        report.refuse("empty", Problem("batch", "at least one object", "", "look at the input location"))
