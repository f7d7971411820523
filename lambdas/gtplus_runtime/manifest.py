"""Input manifests: what a line must be, and the check of a whole batch. One function for CLI and handler.

Source of the format: "Input Data" of Ground Truth in the Amazon SageMaker developer guide: JSON Lines in UTF-8, an
object a line with `source-ref` (an S3 URI) or `source` (inline text). Source of the limits: `places.Limits`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from gtplus_runtime.places import Place, split_uri
from gtplus_runtime.problems import Problem, counted, shown
from gtplus_runtime.strict_json import read_json

MAX_LINE = 100_000
"""Characters of a line: Ground Truth's own limit ("Input Data Quotas" in the developer guide)."""

MAX_KEY = 1_024
"""Bytes of a key: S3's own limit ("Naming Amazon S3 objects" in the S3 user guide)."""

_CUT = 8 * MAX_LINE
"""A longer line is cut here, so that one without an end does not fill the memory; it stays too long."""

SHOWN_OF_A_KIND = 100
"""Problems of one kind that a report spells out; the others are counted."""


class Found(NamedTuple):
    """An object as S3 lists it."""

    size: int
    etag: str
    modified: str


FROZEN = "gtplus-frozen"
"""The key of an inventory line that holds what was found; all other keys are the customer's own."""

Lookup = Callable[[str, list[str]], dict[str, Found]]
"""Finds objects: bucket and keys in, what is there out."""


class Inventory:
    """What a check found: the frozen objects and all that is wrong.

    Attributes:
        lines: the good lines, each with what was found of its object.
        total: lines read, good or bad.
        problems: up to `SHOWN_OF_A_KIND` of each kind.
        counts: how many problems there are of each kind.
        size: bytes of all objects.
    """

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self.total = 0
        self.problems: list[Problem] = []
        self.counts: Counter[str] = Counter()
        self.size = 0

    def refuse(self, kind: str, problem: Problem) -> None:
        """Count a problem, and keep it if it is among the first of its kind."""
        self.counts[kind] += 1
        if self.counts[kind] <= SHOWN_OF_A_KIND:
            self.problems.append(problem)

    def report(self) -> dict[str, Any]:
        """The report as JSON."""
        return {
            "version": 1,
            "lines": self.total,
            "good": len(self.lines),
            "bytes": self.size,
            "problems": sum(self.counts.values()),
            "counts": dict(self.counts),
            "shown": [problem._asdict() for problem in self.problems],
        }

    def summary(self) -> str:
        """The counts in a sentence."""
        return f"{counted(sum(self.counts.values()))}: " + ", ".join(f"{n} × {kind}" for kind, n in self.counts.items())


class BadLine(Exception):
    """A line that is no line of an input manifest."""

    def __init__(self, kind: str, problem: Problem) -> None:
        self.kind, self.problem = kind, problem
        super().__init__(str(problem))


def parse_line(number: int, line: bytes) -> dict[str, Any]:
    """A line of an input manifest.

    Raises:
        BadLine: with the kind of the problem, and the problem.
    """
    place = f"line {number}"

    def bad(kind: str, rule: str, value: str, mend: str) -> BadLine:
        return BadLine(kind, Problem(place, rule, value, mend))

    def too_long(length: str) -> BadLine:
        return bad("line too long", f"at most {MAX_LINE:,} characters", length, "shorten the line")

    # A character has at most four bytes; how long a line is that was cut, nobody knows.
    if len(line) > 4 * MAX_LINE:
        raise too_long(f"more than {4 * MAX_LINE:,} bytes")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise bad("not UTF-8", "UTF-8 text", f"byte {error.start}", "write the file as UTF-8") from None
    if len(text) > MAX_LINE:
        raise too_long(f"{len(text):,} characters")
    try:
        entry = read_json(text)
    except ValueError:
        raise bad(
            "not JSON", "one JSON object a line", shown(line[:80].decode("utf-8", "replace")), "mend the line"
        ) from None
    if not isinstance(entry, dict):
        raise bad("not an object", "one JSON object a line", shown(entry), 'write {"source-ref": "s3://…"}')
    sources = [name for name in ("source-ref", "source") if name in entry]
    if not sources:
        raise bad("no source", 'needs "source-ref" or "source"', "", "add one of them")
    if len(sources) == 2:
        raise bad("two sources", 'has either "source-ref" or "source"', "", "drop one of them")
    value = entry[sources[0]]
    if not isinstance(value, str) or not value:
        raise bad("empty source", f"{sources[0]!r} is a text", shown(value), "fill it in")
    try:
        value.encode()
    except UnicodeEncodeError:
        rule, mend = "text that UTF-8 can write", "take the lone surrogates out"
        raise bad("not UTF-8", rule, shown(value), mend) from None
    if sources == ["source-ref"]:
        if not (value.startswith("s3://") and all(split_uri(value))):
            raise bad("no S3 URI", '"source-ref" is an S3 URI', shown(value), "write s3://bucket/key")
        if len(split_uri(value)[1].encode()) > MAX_KEY:
            raise bad("no S3 URI", f"a key of S3 has at most {MAX_KEY:,} bytes", shown(value), "shorten the key")
    return entry


def lines_of(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Lines from chunks of bytes, without their ends; empty ones are left out, a byte order mark too."""
    return (line for _, line in numbered_lines(chunks))


def numbered_lines(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """The same with their numbers, in which empty lines count."""
    for number, raw in enumerate(_raw_lines(chunks), start=1):
        if number == 1:
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        line = raw.strip() if len(raw) < _CUT else raw
        if line:
            yield number, line


def _raw_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (raw[:_CUT] for raw in whole)
        rest = rest[:_CUT]
    yield rest


def check_manifest(chunks: Iterable[bytes], place: Place, look_up: Lookup) -> Inventory:
    """Check an input manifest against the formats, the grants, the provider's limits and the objects in S3.

    Args:
        chunks: the manifest's bytes, in pieces of any size.
        place: the project's grants and limits.
        look_up: finds the objects that the lines name.
    """
    inventory = Inventory()
    limits = place.limits
    wanted: dict[str, dict[str, int]] = {}
    entries: list[tuple[int, dict[str, Any]]] = []
    for number, line in numbered_lines(chunks):
        inventory.total += 1
        if inventory.total > limits.max_files:
            continue
        try:
            entry = parse_line(number, line)
        except BadLine as bad:
            inventory.refuse(bad.kind, bad.problem)
            continue
        if "source-ref" in entry:
            uri = entry["source-ref"]
            bucket, key = split_uri(uri)
            outside = place.check_uri(f"line {number}", uri, "read")
            if outside:
                own = any(grant.bucket == bucket for grant in place.grants)
                inventory.refuse("outside the prefixes" if own else "another bucket", outside[0])
                continue
            keys = wanted.setdefault(bucket, {})
            if key in keys:
                rule = f"an object is named once; line {keys[key]} has it"
                inventory.refuse("named twice", Problem(f"line {number}", rule, uri, "drop the line"))
                continue
            keys[key] = number
        entries.append((number, entry))
    if inventory.total > limits.max_files:
        rule = f"at most {limits.max_files:,} files in a batch"
        mend = "split it into several batches"
        inventory.refuse("too many files", Problem("batch", rule, f"{inventory.total:,} lines", mend))
    found = {bucket: look_up(bucket, list(keys)) for bucket, keys in wanted.items()}
    for number, entry in entries:
        _add(inventory, place, number, entry, found)
    _check_whole(inventory, place)
    # What is looked up is found last; people read by lines.
    inventory.problems.sort(
        key=lambda problem: int(problem.place.removeprefix("line ")) if "line" in problem.place else 0
    )
    return inventory


def check_listing(bucket: str, objects: Iterable[tuple[str, Found]], place: Place) -> Inventory:
    """Check the objects under a prefix, as `check_manifest` does; folder markers are left out."""
    inventory = Inventory()
    for key, found in objects:
        if key.endswith("/"):
            continue
        inventory.total += 1
        if inventory.total <= place.limits.max_files:
            entry = {"source-ref": f"s3://{bucket}/{key}"}
            _add(inventory, place, inventory.total, entry, {bucket: {key: found}})
        elif inventory.total == place.limits.max_files + 1:
            rule = f"at most {place.limits.max_files:,} files in a batch"
            mend = "choose a narrower prefix, or write a manifest"
            inventory.refuse("too many files", Problem("batch", rule, f"more than {place.limits.max_files:,}", mend))
            break
    _check_whole(inventory, place)
    return inventory


def _add(
    inventory: Inventory, place: Place, number: int, entry: dict[str, Any], found: dict[str, dict[str, Found]]
) -> None:
    if "source-ref" not in entry:
        inventory.lines.append(entry)
        return
    uri = entry["source-ref"]
    bucket, key = split_uri(uri)
    there = found[bucket].get(key)
    if there is None:
        inventory.refuse(
            "object not found", Problem(f"line {number}", "object not found", uri, "upload it, or drop the line")
        )
        return
    if there.size > place.limits.max_file_bytes:
        rule = f"a file has at most {place.limits.max_file_bytes:,} bytes"
        inventory.refuse("file too large", Problem(f"line {number}", rule, f"{uri}: {there.size:,}", "make it smaller"))
        return
    inventory.size += there.size
    inventory.lines.append({**entry, FROZEN: there._asdict()})


def _check_whole(inventory: Inventory, place: Place) -> None:
    limit = place.limits.max_batch_bytes
    if inventory.size >= limit:
        problem = Problem(
            "batch", f"less than {limit:,} bytes in all", f"{inventory.size:,}", "split it into several batches"
        )
        inventory.refuse("batch too large", problem)
    if inventory.total == 0:
        inventory.refuse("empty", Problem("batch", "at least one object", "", "look at the input location"))
