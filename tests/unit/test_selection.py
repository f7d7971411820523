"""A part of a manifest: conditions, samples that anyone can draw again, and lines that keep their numbers."""

import hashlib
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtplus_cli.selection import Condition, Selection, parse_conditions
from gtplus_runtime.json_lines import read_lines

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)
ENTRY = {"camera": "north", "weather": {"rain": 0.5, "wind": 3}, "night": True, "count": 1, "tags": ["a"], "none": None}


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("camera=north", True),
        ("camera=south", False),
        ('camera="north"', True),
        ("camera != south", True),
        ("camera>m", True),
        ("weather.rain>=0.5", True),
        ("weather.rain>0.5", False),
        ("weather.rain<1", True),
        ("weather.wind=3", True),
        ("weather.wind=3.0", True),
        ("night=true", True),
        ("night=1", False),
        ("count=1", True),
        ("count=true", False),
        ("count<two", False),
        ("none=null", True),
        ("none!=null", False),
        ('tags=["a"]', True),
        ("unknown=1", False),
        ("unknown!=1", True),
        ("camera.lens=1", False),
        ("weather.rain.mm<1", False),
    ],
)
def test_a_condition_holds_or_not(condition: str, holds: bool) -> None:
    assert Condition.parse(condition).holds(ENTRY) is holds


@pytest.mark.parametrize("text", ["", "camera", "=north", "a<null", "a>=[1]"])
def test_what_is_no_condition_is_told_with_all_others(text: str) -> None:
    conditions, problems = parse_conditions([text, "camera=north", text])
    assert conditions == [Condition(("camera",), "=", "north")]
    assert [problem.place for problem in problems] == ["--where"] * 2


def manifest(*entries: Any) -> io.BytesIO:
    return io.BytesIO(b"".join(json.dumps(entry).encode() + b"\n" for entry in entries))


def numbers(selection: Selection, file: io.BytesIO) -> list[int]:
    return [number for number, *_ in read_lines(selection.lines(file))]


FILE = [{"source": str(number), "even": number % 2 == 0} for number in range(1, 101)]


def test_lines_keep_their_numbers() -> None:
    assert numbers(Selection([Condition.parse("even=true")]), manifest(*FILE)) == list(range(2, 101, 2))


def test_lines_are_taken_to_the_letter_and_bad_ones_left_in() -> None:
    content = b'\xef\xbb\xbf{"source":"a"}\r\n\n{"source" : "b"}\nnonsense\n\xff\n{"source": "c"}'
    selection = Selection([Condition.parse("source=b")])
    assert b"".join(selection.lines(io.BytesIO(content))) == b'\n\n{"source" : "b"}\nnonsense\n\xff\n\n'


def test_a_sample_is_the_same_for_the_same_seed_whatever_the_order() -> None:
    sample = numbers(Selection(sample=10, seed=1), manifest(*FILE))
    assert len(sample) == 10
    assert numbers(Selection(sample=10, seed=1), manifest(*FILE)) == sample
    assert numbers(Selection(sample=10, seed=2), manifest(*FILE)) != sample
    backwards = numbers(Selection(sample=10, seed=1), manifest(*reversed(FILE)))
    assert sorted(101 - number for number in backwards) == sample


@given(st.integers(1, 120), st.integers(1, 120), st.integers())
def test_a_larger_sample_holds_the_smaller_one(small: int, large: int, seed: int) -> None:
    small, large = sorted((small, large))
    smaller, larger = (set(numbers(Selection(sample=n, seed=seed), manifest(*FILE))) for n in (small, large))
    assert smaller <= larger
    assert (len(smaller), len(larger)) == (min(small, 100), min(large, 100))


def test_every_line_is_as_likely_as_any_other() -> None:
    times = dict.fromkeys(range(1, 101), 0)
    for seed in range(400):
        for number in numbers(Selection(sample=25, seed=seed), manifest(*FILE)):
            times[number] += 1
    # 400 draws of a quarter: 100 each, with a standard deviation of 8.7.
    assert min(times.values()) > 60
    assert max(times.values()) < 140


def test_a_sample_of_a_long_manifest_is_drawn_from_all_of_it() -> None:
    entries = [{"source": str(number)} for number in range(5_000)]
    drawn = numbers(Selection(sample=50, seed=3), manifest(*entries))
    assert len(drawn) == 50
    assert drawn[-1] > 4_500


def test_a_sample_is_that_of_the_smallest_digests() -> None:
    """As the docs state it, so that anyone can draw it without us."""
    sources = [f"s3://data/raw/{number}.jpg" for number in range(3_000)]
    digests = {hashlib.sha256(f"7:{source}".encode()).hexdigest(): source for source in sources}
    expected = {digests[digest] for digest in sorted(digests)[:30]}
    taken = read_lines(Selection(sample=30, seed=7).lines(manifest(*({"source-ref": each} for each in sources))))
    assert {entry["source-ref"] for _, _, entry, _ in taken} == expected


@given(st.text(max_size=20), JSON)
def test_whatever_is_written_as_a_condition_it_is_answered(text: str, entry: Any) -> None:
    conditions, problems = parse_conditions([text])
    assert len(conditions) + len(problems) == 1
    for condition in conditions:
        condition.holds(entry)


def test_conditions_come_before_the_sample() -> None:
    drawn = numbers(Selection([Condition.parse("even=true")], 20), manifest(*FILE))
    assert len(drawn) == 20
    assert all(number % 2 == 0 for number in drawn)
