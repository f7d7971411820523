"""The fast reader of JSON Lines takes and refuses what a strict JSON parser does, line by line, and nothing else."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gtplus_runtime.json_lines import MAX_LINE, lines_of, read_lines
from gtplus_runtime.strict_json import MAX_DEPTH

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
)
BITS = st.sampled_from([*"{}[]\":,\\\n\r\t \x00\x0b\u2028\ufeffé0-'"]) | st.sampled_from(
    ["\\u", "1e999", "NaN", "Infinity", "1" * 5_000, "[" * 120, "]" * 120, "true", '"a"', "/*"]
)


def strict(text: str) -> tuple[bool, Any]:
    """What a JSON parser makes of a line, slowly and independently of ours: whether it takes it, and the value."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        value = json.loads(text, parse_constant=refuse)
        again = json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        return False, None
    depth = deepest = 0
    in_text = escaped = False
    for character in again:
        if in_text:
            in_text, escaped = character != '"' or escaped, character == "\\" and not escaped
        elif character == '"':
            in_text = True
        elif character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return (True, value) if deepest <= MAX_DEPTH else (False, None)


def expected(content: bytes) -> list[tuple[int, bool, Any]]:
    """Number, whether it is read, and the value, of each line that is not blank."""
    found = []
    for number, raw in enumerate(content.split(b"\n"), start=1):
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            found.append((number, False, None))
            continue
        text = text.removeprefix("\ufeff") if number == 1 else text
        if len(text) > MAX_LINE:
            found.append((number, False, None))
        elif text.strip(" \t\r"):
            found.append((number, *strict(text)))
    return found


def read(pieces: list[bytes]) -> list[tuple[int, bool, Any]]:
    return [(number, fault is None, value) for number, _, value, fault in read_lines(pieces)]


def same(left: Any, right: Any) -> bool:
    return json.dumps(left) == json.dumps(right)


def spoil(text: str, changes: list[tuple[int, str]]) -> str:
    for at, bit in changes:
        position = at % (len(text) + 1)
        text = text[:position] + bit + text[position + (at % 2) :]
    return text


LINES = st.builds(
    spoil,
    st.builds(json.dumps, VALUES, ensure_ascii=st.booleans(), indent=st.sampled_from([None, 1])),
    st.lists(st.tuples(st.integers(0, 500), BITS), max_size=3),
)


@given(st.lists(LINES, max_size=5), st.sampled_from(["\n", "\r\n", "\n\n", " \n "]), st.binary(max_size=3))
@example(["[" * 101 + "]" * 101], "\n", b"")
@example(["[" * 100 + "]" * 100], "\n", b"")
@example(['{"a": "' + "[" * 300 + '"}'], "\n", b"")
@example(['{"a":\n1}'], "\n", b"")
@example(["1 2"], "\n", b"")
@example(["\ufeff1", "\ufeff1"], "\n", b"")
def test_what_is_read_is_what_a_strict_parser_reads_line_by_line(lines: list[str], end: str, tail: bytes) -> None:
    content = end.join(lines).encode("utf-8", "surrogatepass") + tail
    assert same(read([content]), expected(content))


@given(st.lists(LINES, max_size=4).map("\n".join), st.lists(st.integers(0, 400), max_size=6))
def test_the_pieces_that_a_file_comes_in_never_change_what_is_read(text: str, places: list[int]) -> None:
    content = text.encode("utf-8", "surrogatepass")
    edges = [0, *sorted(place % (len(content) + 1) for place in places), len(content)]
    pieces = [content[start:end] for start, end in pairwise(edges)]
    assert same(read(pieces), read([content]))
    assert list(lines_of(pieces)) == list(lines_of([content]))


@pytest.mark.parametrize("length", [MAX_LINE, MAX_LINE + 1, 4 * MAX_LINE, 4 * MAX_LINE + 1, 1 << 21])
@pytest.mark.parametrize("character", [b"x", "é".encode(), b"\xff", b" "], ids=["ASCII", "é", "no UTF-8", "spaces"])
def test_a_long_line_never_changes_what_is_read_of_the_others(length: int, character: bytes) -> None:
    long = character * (length // len(character))
    content = b"[1]\n" + long + b"\n[3]"
    first, *between, last = read([content[start : start + 70_000] for start in range(0, len(content), 70_000)])
    assert (first, last) == ((1, True, [1]), (3, True, [3]))
    assert [number for number, _, _ in between] == ([] if character == b" " and length <= MAX_LINE else [2])
    assert not any(good for _, good, _ in between)


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    content = b"\xef\xbb\xbf[1]\r\n\n\xef\xbb\xbf[2]"
    assert list(lines_of([content])) == [b"[1]", b"\xef\xbb\xbf[2]"]
    assert read([content]) == [(1, True, [1]), (3, False, None)]
