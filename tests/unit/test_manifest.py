"""The check of a batch's input: each bad line with its exact report, whatever the pieces the file comes in."""

import json
import tracemalloc
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gtplus_runtime.found import FROZEN, Found
from gtplus_runtime.json_lines import MAX_LINE, lines_of
from gtplus_runtime.labels import Coverage
from gtplus_runtime.lookup import Finder
from gtplus_runtime.manifest import check_lines, check_listing, inventory_line
from gtplus_runtime.places import Limits
from gtplus_runtime.problems import Problem
from gtplus_runtime.report import SHOWN_OF_A_KIND, Report
from gtplus_runtime.rules import Rules

RULES = Rules(reads=("s3://data/raw/", "s3://more/in/", "s3://more/also/"))


class Checked(Report):
    """A report, with the lines of the inventory."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[dict[str, Any]] = []

    def keep(self, text: str, frozen: dict[str, Any] | None) -> None:
        self.lines.append(json.loads(inventory_line(text, frozen)))


class Bucket:
    """Has every object, of one size, but those that are missing."""

    def __init__(self, size: int = 100, missing: Iterable[str] = ()) -> None:
        self.size, self.missing = size, set(missing)
        self.asked: list[int] = []
        self.files: dict[str, bytes] = {}

    def read(self, uris: list[str]) -> dict[str, bytes]:
        return {uri: self.files[uri] for uri in uris if uri in self.files}

    def find(self, uris: Iterable[str]) -> dict[str, Found]:
        wanted = list(uris)
        self.asked.append(len(wanted))
        for uri in wanted:
            uri.encode()  # as every client of S3 does
        keys = {uri: uri.split("/", 3)[3] for uri in wanted}
        return {
            uri: Found(self.size, f"etag-{key}", "2026-11-24") for uri, key in keys.items() if key not in self.missing
        }


def check(text: str | bytes | Iterable[bytes], bucket: Bucket | None = None, rules: Rules = RULES) -> Checked:
    chunks = [text.encode()] if isinstance(text, str) else [text] if isinstance(text, bytes) else text
    checked = Checked()
    there = bucket or Bucket()
    check_lines(chunks, rules, checked, Finder(there.find, there.read, lambda _bucket: None), checked.keep)
    return checked


def one(text: str | bytes, bucket: Bucket | None = None) -> tuple[str, Problem]:
    """The kind and the problem of a manifest that has one."""
    inventory = check(text, bucket)
    ((kind, count),) = inventory.counts.items()
    (problem,) = inventory.problems
    assert count == 1
    return kind, problem


def line(key: str = "raw/1.png", **more: Any) -> str:
    return json.dumps({"source-ref": f"s3://data/{key}", **more}) + "\n"


def limits(**changed: int) -> Rules:
    return RULES._replace(limits=Limits(**changed))


# What is good


def test_good_lines_are_frozen_with_what_was_found_of_their_objects() -> None:
    inventory = check(line("raw/1.png", camera="north") + line("raw/2.png"))
    assert inventory.counts == {}
    assert inventory.lines == [
        {
            "source-ref": "s3://data/raw/1.png",
            "camera": "north",
            FROZEN: {"size": 100, "etag": "etag-raw/1.png", "modified": "2026-11-24"},
        },
        {
            "source-ref": "s3://data/raw/2.png",
            FROZEN: {"size": 100, "etag": "etag-raw/2.png", "modified": "2026-11-24"},
        },
    ]
    assert (inventory.total, inventory.size) == (2, 200)


def test_inline_text_is_an_object_without_a_file() -> None:
    inventory = check('{"source": "the first text"}\n{"source": "the second text"}\n')
    assert inventory.lines == [{"source": "the first text"}, {"source": "the second text"}]
    assert (inventory.counts, inventory.size) == ({}, 0)


@given(st.lists(st.sampled_from(["raw/1", "raw/2", "tea", "café", "s3://data/raw/1", "s3://data/raw/2"]), max_size=6))
def test_of_what_is_taken_every_object_can_be_labeled_and_delivered(objects: list[str]) -> None:
    """Labels name their object: two of one name would never be complete, however often they were labeled."""
    texts = [line(name) if name.startswith("raw") else json.dumps({"source": name}) + "\n" for name in objects]
    taken = check("".join(texts)).lines
    sources = [entry.get("source-ref", entry.get("source")) for entry in taken]
    output = "".join(json.dumps({**entry, "label": 1, "label-metadata": {}}) + "\n" for entry in taken)
    coverage = Coverage([output.encode()], "label", sources)
    assert (coverage.problems(), len(coverage.labeled)) == ([], len(taken))


def test_all_objects_are_looked_up_at_once() -> None:
    bucket = Bucket()
    more = '{"source-ref": "s3://more/in/1"}\n{"source-ref": "s3://more/also/1"}\n'
    assert check(line("raw/1") + more + line("raw/2"), bucket).counts == {}
    assert bucket.asked == [4]


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbf" + line().encode(),
        line().replace("\n", "\r\n").encode(),
        b"\n\r\n  \n" + line().encode() + b"\n\n",
        b"  \t" + line().encode(),
        line().rstrip("\n").encode(),
    ],
    ids=["byte order mark", "CRLF", "blank lines", "spaces around", "no end of the last line"],
)
def test_what_editors_leave_behind_does_no_harm(text: bytes) -> None:
    inventory = check(text)
    assert (len(inventory.lines), inventory.counts) == (1, {})


def test_of_a_key_named_twice_the_last_counts_as_in_every_reader_of_json() -> None:
    inventory = check('{"source-ref": "s3://secret/x", "source-ref": "s3://data/raw/1"}\n')
    assert [entry["source-ref"] for entry in inventory.lines] == ["s3://data/raw/1"]


# What is bad, each with its report

URI = 'write {"source-ref": "s3://…"}'


@pytest.mark.parametrize(
    ("text", "kind", "problem"),
    [
        ("{", "not JSON", Problem("line 1", "one JSON object a line", "'{'", "mend it")),
        (
            "s3://data/raw/1.png",
            "not JSON",
            Problem("line 1", "one JSON object a line", "'s3://data/raw/1.png'", "mend it"),
        ),
        (
            '{"source": "a"} {"source": "b"}',
            "not JSON",
            Problem("line 1", "one JSON object a line", """'{"source": "a"} {"source": "b"}'""", "mend it"),
        ),
        (
            '{"source": "a", "x": NaN}',
            "not JSON",
            Problem("line 1", "one JSON object a line", """'{"source": "a", "x": NaN}'""", "mend it: NaN is no JSON"),
        ),
        (
            '{"source": "a\x00b"}',
            "not JSON",
            Problem("line 1", "one JSON object a line", """'{"source": "a\\x00b"}'""", "mend it"),
        ),
        ("\x00", "not JSON", Problem("line 1", "one JSON object a line", "'\\x00'", "mend it")),
        ("[1]", "not an object", Problem("line 1", "one JSON object a line", "[1]", URI)),
        ("null", "not an object", Problem("line 1", "one JSON object a line", "None", URI)),
        ("{}", "no source", Problem("line 1", 'needs "source-ref" or "source"', "", "add one of them")),
        (
            '{"Source-Ref": "s3://data/raw/1"}',
            "no source",
            Problem("line 1", 'needs "source-ref" or "source"', "", "add one of them"),
        ),
        (
            '{"source-ref": "s3://data/raw/1", "source": "a"}',
            "two sources",
            Problem("line 1", 'has either "source-ref" or "source"', "", "drop one of them"),
        ),
        ('{"source": ""}', "empty source", Problem("line 1", "'source' is a text", "''", "fill it in")),
        (
            '{"source-ref": ["s3://data/raw/1"]}',
            "empty source",
            Problem("line 1", "'source-ref' is a text", "['s3://data/raw/1']", "fill it in"),
        ),
        (
            '{"source-ref": "https://data/raw/1"}',
            "no S3 URI",
            Problem("line 1", '"source-ref" is an S3 URI', "'https://data/raw/1'", "write s3://bucket/key"),
        ),
        (
            '{"source-ref": "s3://data"}',
            "no S3 URI",
            Problem("line 1", '"source-ref" is an S3 URI', "'s3://data'", "write s3://bucket/key"),
        ),
        (
            '{"source-ref": "s3://other/raw/1"}',
            "another bucket",
            Problem(
                "line 1",
                "must lie in a prefix that this project reads",
                "s3://other/raw/1",
                "choose one under s3://data/raw/, s3://more/in/, s3://more/also/",
            ),
        ),
        (
            '{"source-ref": "s3://data/labels/1"}',
            "outside the prefixes",
            Problem(
                "line 1",
                "must lie in a prefix that this project reads",
                "s3://data/labels/1",
                "choose one under s3://data/raw/, s3://more/in/, s3://more/also/",
            ),
        ),
        (
            '{"source-ref": "s3://data/raw/\\ud800"}',
            "not UTF-8",
            Problem("line 1", "text that UTF-8 can write", "'s3://data/raw/\\ud800'", "take the lone surrogates out"),
        ),
        (
            '{"source": "\\udc80"}',
            "not UTF-8",
            Problem("line 1", "text that UTF-8 can write", "'\\udc80'", "take the lone surrogates out"),
        ),
        (
            b'{"source": "caf\xe9"}',
            "not UTF-8",
            Problem("line 1", "UTF-8 text", "byte 15", "write the file as UTF-8"),
        ),
        (
            '{"source": "a"}'.encode("utf-16"),
            "not UTF-8",
            Problem("line 1", "UTF-8 text", "byte 0", "write the file as UTF-8"),
        ),
        (
            '{"source-ref": "s3://data/raw/' + "é" * 511 + '"}',
            "no S3 URI",
            Problem(
                "line 1",
                "a key of S3 has at most 1,024 bytes",
                "'s3://data/raw/" + "é" * (117 - 15) + "...",
                "shorten the key",
            ),
        ),
    ],
)
def test_a_bad_line_is_reported_with_its_place_rule_value_and_mend(
    text: str | bytes, kind: str, problem: Problem
) -> None:
    assert one(text) == (kind, problem)


def test_a_key_of_exactly_1024_bytes_is_looked_up() -> None:
    assert check(line("raw/" + "x" * 1_020)).counts == {}


def test_an_object_that_is_not_there_is_reported() -> None:
    assert one(line("raw/1") + line("raw/2"), Bucket(missing=["raw/2"])) == (
        "object not found",
        Problem("line 2", "object not found", "s3://data/raw/2", "upload it, or drop the line"),
    )


def test_an_object_that_is_named_twice_is_reported_with_the_line_that_has_it() -> None:
    assert one(line("raw/1") + line("raw/2") + line("raw/1")) == (
        "named twice",
        Problem("line 3", "an object is named once; line 1 has it", "s3://data/raw/1", "drop the line"),
    )


def test_a_line_is_numbered_as_an_editor_numbers_it() -> None:
    kind, problem = one("\n" + line("raw/1") + "\r\n\n" + line("raw/1"))
    assert (kind, problem.place, problem.rule) == (
        "named twice",
        "line 5",
        "an object is named once; line 2 has it",
    )


def test_all_that_is_wrong_is_reported_at_once_in_the_order_of_the_lines() -> None:
    text = line("raw/gone") + "{\n" + line("raw/1") + line("raw/1") + '{"source-ref": "s3://other/1"}\n'
    inventory = check(text, Bucket(missing=["raw/gone"]))
    assert [problem.place for problem in inventory.problems] == ["line 1", "line 2", "line 4", "line 5"]
    assert inventory.summary() == (
        "4 problems: 1 × not JSON, 1 × named twice, 1 × another bucket, 1 × object not found"
    )
    assert inventory.answer() == {
        "version": 1,
        "lines": 5,
        "good": 1,
        "files": 5,
        "bytes": 100,
        "problems": 4,
        "counts": {"not JSON": 1, "named twice": 1, "another bucket": 1, "object not found": 1},
        "flags": {},
        "shown": [problem._asdict() for problem in inventory.problems],
    }


def test_a_report_spells_out_a_hundred_of_a_kind_and_counts_the_rest() -> None:
    inventory = check("{\n" * 250 + "[]\n")
    assert SHOWN_OF_A_KIND == 100
    assert inventory.counts == {"not JSON": 250, "not an object": 1}
    assert len(inventory.problems) == 101


def test_a_report_can_be_written_whatever_is_in_it() -> None:
    inventory = check('{"source-ref": "s3://other/\\ud800"}\n{"source-ref": "s3://data/raw/\\ud800"}\n\x00\n')
    json.dumps(inventory.answer()).encode()
    inventory.summary().encode()


# Limits


def test_a_file_has_at_most_2_gigabytes() -> None:
    assert check(line(), Bucket(size=2_000_000_000)).counts == {}
    assert one(line(), Bucket(size=2_000_000_001)) == (
        "file too large",
        Problem(
            "line 1",
            "a file has at most 2,000,000,000 bytes",
            "s3://data/raw/1.png: 2,000,000,001",
            "make it smaller",
        ),
    )


def test_a_batch_has_less_than_100_gigabytes() -> None:
    text = "".join(line(f"raw/{number}") for number in range(50))
    assert check(text, Bucket(size=1_999_999_999)).counts == {}
    assert one(text, Bucket(size=2_000_000_000)) == (
        "batch too large",
        Problem("batch", "less than 100,000,000,000 bytes in all", "100,000,000,000", "split it into several batches"),
    )


def test_a_batch_has_at_most_10_000_files() -> None:
    lines = [line(f"raw/{number}") for number in range(10_001)]
    assert check("".join(lines[:10_000])).counts == {}
    assert one("".join(lines)) == (
        "too many files",
        Problem("batch", "at most 10,000 files in a batch", "10,001 lines", "split it into several batches"),
    )


def test_the_limits_are_the_providers() -> None:
    text = line("raw/1") + line("raw/2")
    assert check(text, rules=limits(max_files=1)).counts == {"too many files": 1}
    assert check(text, rules=limits(max_file_bytes=99)).counts == {"file too large": 2}
    assert check(text, rules=limits(max_batch_bytes=200)).counts == {"batch too large": 1}


@pytest.mark.parametrize("text", [b"", b"\n\n", b"\xef\xbb\xbf", b"\r\n"])
def test_an_empty_batch_is_none(text: bytes) -> None:
    assert one(text) == ("empty", Problem("batch", "at least one object", "", "look at the input location"))


# Lines that are too much


def padded(length: int) -> str:
    """A good line of exactly so many characters."""
    return '{"source": "' + "é" * (length - 14) + '"}'


def test_a_line_has_at_most_100_000_characters() -> None:
    assert MAX_LINE == 100_000
    assert check(padded(100_000)).counts == {}
    assert one(padded(100_001)) == (
        "line too long",
        Problem("line 1", "at most 100,000 characters", "100,001 characters", "shorten the line"),
    )


def chunked(text: bytes, size: int) -> Iterator[bytes]:
    return (text[start : start + size] for start in range(0, len(text), size))


@pytest.mark.parametrize("size", [64_000, 1 << 20, 1 << 25])
@pytest.mark.parametrize(
    "long",
    [b"x" * 3_000_000, b" " * 3_000_000 + b'{"source": "a"}', b'{"source": "a"}' + b" " * 3_000_000 + b"x"],
    ids=["of letters", "that begins with spaces", "that ends in spaces"],
)
def test_a_line_of_megabytes_is_refused_and_the_next_one_read(long: bytes, size: int) -> None:
    inventory = check(chunked(long + b"\n" + line().encode(), size))
    assert inventory.problems == [
        Problem("line 1", "at most 100,000 characters", "more than 400,000 bytes", "shorten the line")
    ]
    assert len(inventory.lines) == 1


def test_a_file_of_one_endless_line_does_not_fill_the_memory() -> None:
    tracemalloc.start()
    try:
        inventory = check(b"x" * (1 << 20) for _ in range(64))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert inventory.counts == {"line too long": 1}
    assert peak < 8 << 20


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")], ids=["lists", "objects"])
def test_a_line_that_is_nested_deeply_is_refused_whatever_the_depth(opening: str, closing: str) -> None:
    """At some depths a line could be read and not be written again."""
    for depth in [101, 200, *range(300, 1_000), 9_000]:
        kind, problem = one(f'{{"source": "a", "x": {opening * depth}1{closing * depth}}}')
        assert (kind, problem.place) == ("not JSON", "line 1")
    assert check(f'{{"source": "a", "x": {opening * 99}1{closing * 99}}}').counts == {}


# Whatever the file

PARTS = st.sampled_from(
    [
        b"\n",
        b"\r\n",
        b"\xef\xbb\xbf",
        line("raw/1").encode(),
        line("raw/2").encode(),
        b'{"source": "\xc3\xa9"}',
        b'{"source": "a"}\n',
        b"{",
        b"\xff",
        b"\x00",
        b" ",
        b"[1]\n",
    ]
)
FILES = st.lists(PARTS, max_size=12).map(b"".join) | st.binary(max_size=60)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@given(FILES, st.lists(st.integers(0, 200), max_size=8))
@example(b'\xef\xbb\xbf{"source": "a"}', [0])
@example(b'\xef\xbb\xbf{"source": "a"}', [1, 2])
def test_the_pieces_that_a_file_comes_in_never_change_the_answer(data: bytes, places: list[int]) -> None:
    pieces = cut(data, places)
    assert list(lines_of(pieces)) == list(lines_of([data]))
    whole, in_pieces = (check(chunks) for chunks in ([data], pieces))
    assert in_pieces.answer() == whole.answer()
    assert in_pieces.lines == whole.lines


@given(st.integers(0, 3_000_000), st.integers(1, 1 << 21))
@settings(max_examples=15)
def test_the_pieces_that_a_long_line_comes_in_never_change_the_answer(length: int, size: int) -> None:
    data = b'{"source": "' + b"x" * length + b'"}\n{"source": "b"}'
    pieces = check(chunked(data, max(size, 10_000)))
    assert pieces.answer() == check(data).answer()


@given(FILES)
def test_every_line_is_good_or_has_a_problem(data: bytes) -> None:
    inventory = check(data)
    about_lines = sum(count for kind, count in inventory.counts.items() if kind != "empty")
    assert len(inventory.lines) + about_lines == inventory.total
    for entry in inventory.lines:
        json.loads(json.dumps(entry))


# A prefix instead of a manifest


def listed(objects: Iterable[tuple[str, Found]], rules: Rules = RULES) -> Checked:
    checked = Checked()
    check_listing("data", objects, rules, checked, checked.keep)
    return checked


def found(*sizes: int) -> list[tuple[str, Found]]:
    return [(f"raw/{number}.png", Found(size, f"e{number}", "")) for number, size in enumerate(sizes)]


def test_a_listing_is_checked_like_a_manifest() -> None:
    inventory = listed([("raw/", Found(0, "", "")), *found(1, 2)])
    assert [entry["source-ref"] for entry in inventory.lines] == ["s3://data/raw/0.png", "s3://data/raw/1.png"]
    assert (inventory.total, inventory.size, inventory.counts) == (2, 3, {})


def test_a_listing_has_the_same_limits() -> None:
    assert listed(found(100), limits(max_file_bytes=99)).counts == {"file too large": 1}
    assert listed(found(50, 50), limits(max_batch_bytes=100)).counts == {"batch too large": 1}
    assert listed([("raw/a/", Found(0, "", ""))]).counts == {"empty": 1}


def test_a_listing_is_read_no_further_than_it_must_be() -> None:
    listing = iter(found(*[1] * 50))
    inventory = listed(listing, limits(max_files=10))
    assert inventory.problems == [
        Problem(
            "batch",
            "at most 10 files in a batch",
            "more than 10",
            "choose a narrower prefix, or write a manifest",
        )
    ]
    assert len(list(listing)) == 39
