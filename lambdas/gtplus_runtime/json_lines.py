"""JSON Lines: a file in pieces becomes numbered lines, and each line its JSON value, at the speed of `json`'s scanner.

A manifest is read block by block: a block is decoded once, and each of its lines is handed to the scanner that
`json.loads` is built on. What is not read that way (a line that is no JSON, not UTF-8, too long, nested deep) is looked
at once more, slowly, to say what is wrong with it. Both ways take and refuse the same lines.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from gtplus_runtime.problems import shown
from gtplus_runtime.strict_json import DECODER, MAX_DEPTH, mend_json, read_json

MAX_LINE = 100_000
"""Characters of a line: Ground Truth's own limit ("Input Data Quotas" in the developer guide)."""

_CUT = 8 * MAX_LINE
"""A longer line is cut here, so that one without an end does not fill the memory; it stays too long."""

_PIECE = 1 << 20
"""Bytes that are decoded at once: a file that comes in one piece must not be there four times over."""

_BLANK = " \t\r"
_BOM = "\ufeff"
_FLAT = 2 * MAX_DEPTH
"""A line that is no longer cannot be nested deeper than `MAX_DEPTH`."""


class Fault(NamedTuple):
    """Why a line has no JSON value.

    Attributes:
        kind: the kind of problem, by which problems are counted.
        rule: what must hold.
        value: what was received.
        mend: what to do about it.
    """

    kind: str
    rule: str
    value: str
    mend: str


def read_lines(chunks: Iterable[bytes]) -> Iterator[tuple[int, str, Any, Fault | None]]:
    """The lines of a file that are not blank: number, text, JSON value, and why there is none.

    Numbers are those of an editor: blank lines count. A byte order mark and the `\\r` of a line's end are left out.

    Args:
        chunks: the file's bytes, in pieces of any size.
    """
    scan = DECODER.scan_once
    number = 0
    for block in _blocks(chunks):
        for line in _texts(block, number == 0):
            number += 1
            try:
                value, end = scan(line, 0)
            except (ValueError, StopIteration, RecursionError, TypeError):
                pass
            else:
                if line[end:] == "\r":
                    line = line[:end]
                if end == len(line) and (end <= _FLAT or (end <= MAX_LINE and _is_flat(line))):
                    yield number, line, value, None
                    continue
            text, value, fault = _read_slowly(line)
            if text or fault:
                yield number, text, value, fault


def numbered_lines(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Lines as bytes with their numbers, as `read_lines` numbers them; what is longer than any line may be is cut."""
    number = 0
    for block in _blocks(chunks):
        for raw in block.split(b"\n"):
            number += 1
            line = (raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw)[:_CUT].strip(b" \t\r")
            if line:
                yield number, line


def lines_of(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same without their numbers."""
    return (line for _, line in numbered_lines(chunks))


def _blocks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Whole lines, without the end of the last one; a line that is too long is cut."""
    rest = b""
    for chunk in chunks:
        for start in range(0, len(chunk), _PIECE):
            data = rest + chunk[start : start + _PIECE]
            end = data.rfind(b"\n")
            if end >= 0:
                yield data[:end]
            rest = data[end + 1 :][:_CUT]
    yield rest


def _texts(block: bytes, first: bool) -> list[Any]:
    try:
        lines: list[Any] = block.decode().split("\n")
    except UnicodeDecodeError:
        lines = [_text_or_bytes(raw) for raw in block.split(b"\n")]
    if first and isinstance(lines[0], str):
        lines[0] = lines[0].removeprefix(_BOM)
    return lines


def _text_or_bytes(raw: bytes) -> str | bytes:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def _read_slowly(line: str | bytes) -> tuple[str, Any, Fault | None]:
    if len(line) > (MAX_LINE if isinstance(line, str) else 4 * MAX_LINE):
        return "", None, _too_long(line)
    if isinstance(line, bytes):
        return "", None, Fault("not UTF-8", "UTF-8 text", f"byte {_first_bad_byte(line)}", "write the file as UTF-8")
    text = line.strip(_BLANK)
    if not text:
        return "", None, None
    try:
        return text, read_json(text), None
    except ValueError as error:
        return text, None, Fault("not JSON", "one JSON object a line", shown(text[:80]), mend_json(error))


def _first_bad_byte(raw: bytes) -> int:
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        return error.start
    raise AssertionError("it can be decoded")


def _too_long(line: str | bytes) -> Fault:
    # A character has at most four bytes; how long a line is that was cut, nobody knows.
    size = len(line.encode() if isinstance(line, str) else line)
    length = f"more than {4 * MAX_LINE:,} bytes" if size > 4 * MAX_LINE else f"{len(line):,} characters"
    return Fault("line too long", f"at most {MAX_LINE:,} characters", length, "shorten the line")


def _is_flat(line: str) -> bool:
    return line.count("[") + line.count("{") <= MAX_DEPTH
