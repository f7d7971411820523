"""The check of a whole input: of a manifest, line by line, or of what a prefix holds. Pure."""

import json
import re
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

from gtplus_runtime.formats import has_sequences, suffix_of
from gtplus_runtime.found import FROZEN, Found
from gtplus_runtime.json_lines import read_lines
from gtplus_runtime.lookup import Finder, Keep, Pending, look_up
from gtplus_runtime.problems import Problem, shown
from gtplus_runtime.report import Report
from gtplus_runtime.rules import MAX_KEY, Bad, Judge, Rules, check_key, check_size, check_whole, max_bytes

_LONGEST_URI = MAX_KEY + 100


def inventory_line(text: str, frozen: dict[str, Any] | None) -> bytes:
    """A line of an inventory: the customer's line to the letter, with what was found of its object at its end."""
    if frozen is None:
        return f"{text}\n".encode()
    return f'{text.rstrip().removesuffix("}")}, "{FROZEN}": {json.dumps(frozen)}}}\n'.encode()


def check_lines(
    chunks: Iterable[bytes], rules: Rules, report: Report, finder: Finder | None = None, keep: Keep | None = None
) -> None:
    """Check an input manifest against the format, the prefixes, the provider's limits and formats, and the objects.

    An object that is named twice, and a text that is there twice, are found among the first `max_files` lines: a longer
    manifest is refused anyway, and so the memory has a bound whatever the length.

    Args:
        chunks: the manifest's bytes, in pieces of any size.
        rules: what to check it against.
        report: takes what is found.
        finder: looks at the objects. Default: they are not looked at.
        keep: is given every good line, in order.
    """
    pending = Pending()
    seen: dict[str | bytes, int] = {}
    limit = rules.limits.max_files
    judge = Judge(rules)
    is_plain = judge.is_plain
    total = 0
    for number, text, entry, fault in read_lines(chunks):
        total += 1
        if fault is not None:
            report.refuse(fault.kind, Problem(f"line {number}", fault.rule, fault.value, fault.mend))
            continue
        if not is_plain(text, entry) and (bad := judge.line(number, text, entry)) is not None:
            report.refuse(*bad)
            continue
        uri = entry.get("source-ref")
        if uri is None:
            judge.flag(entry["source"], report)
        if total > limit:
            continue
        first = seen.setdefault(_name_of(entry["source"]) if uri is None else uri, number)
        if first != number:
            rule = f"{'a text is there' if uri is None else 'an object is named'} once; line {first} has it"
            value = shown(entry["source"]) if uri is None else uri
            report.refuse("named twice", Problem(f"line {number}", rule, value, "drop the line"))
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
        look_up(pending, rules, report, finder, keep)
    check_whole(report, rules)
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
    limit, largest = rules.limits.max_files, max_bytes(rules)
    judge = Judge(rules)
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
        if found.size > largest or sequences or not judge.is_plain_name(key):
            bad = _judge_object(f"s3://{bucket}/{key}", key, found.size, rules)
            if bad is not None:
                report.refuse(*bad)
                continue
        report.size += found.size
        report.good += 1
        if keep is not None:
            keep(json.dumps({"source-ref": f"s3://{bucket}/{key}"}), found.frozen())
    check_whole(report, rules)


def _judge_object(uri: str, key: str, size: int, rules: Rules) -> Bad | None:
    if has_sequences(rules.task_type, rules.limits.formats) and suffix_of(key) == ".json":
        rule = "a prefix holds files, and this looks like a sequence"
        mend = "write a manifest that names the sequence files, and create the batch from it"
        return "wrong format", Problem(uri, rule, "", mend)
    return check_key(uri, uri, key, rules) or check_size(uri, size, rules, uri)


def _name_of(text: str) -> str | bytes:
    """What tells a text from others: labels name their object by it, as they name a file by its URI."""
    return (
        text
        if text.startswith("s3://") and len(text) < _LONGEST_URI
        else blake2b(text.encode(), digest_size=16).digest()
    )


def _line_of(problem: Problem) -> int:
    number = re.match(r"line (\d+)", problem.place)
    return int(number[1]) if number else 0
