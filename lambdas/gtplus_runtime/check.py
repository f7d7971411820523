"""`check_manifest`: the one check of an input. The CLI, a user's own code and the door of a batch call it alike."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gtplus_runtime.lookup import Finder, Keep
from gtplus_runtime.manifest import check_lines, check_listing
from gtplus_runtime.objects import Objects, Unreadable
from gtplus_runtime.places import GROUND_TRUTH_PLUS, Limits, split_uri
from gtplus_runtime.problems import Problem
from gtplus_runtime.report import Report
from gtplus_runtime.rules import Rules, check_region

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

NO_RIGHT = "no right to read"
"""The kind of the problem that the client may not read the input."""

_CHUNK = 1 << 20


def check_manifest(
    source: str | Path | Iterable[bytes],
    *,
    limits: Limits = GROUND_TRUTH_PLUS,
    reads: Iterable[str] | None = None,
    task_type: str | None = None,
    s3: "S3Client | None" = None,
    report: Report | None = None,
    keep: Keep | None = None,
) -> Report:
    """Check the input of a batch: the format of its lines, its limits and file formats, and its objects.

    Nothing is raised for what is wrong with the input: that is what the report says.

    Args:
        source: a file, the pieces of one, the S3 URI of a manifest, or that of a prefix, which ends in `/`.
        limits: what the provider takes. Default: Ground Truth Plus; `places.GROUND_TRUTH` is ordinary Ground Truth.
        reads: S3 URIs of the prefixes that the project reads. Default: anywhere.
        task_type: one of `forms.TASK_TYPES`; file formats are checked by it. Default: they are not.
        s3: a client with which objects are looked up, and a manifest in S3 is read. Default: no look at S3.
        report: takes what is found. Default: a new one; `Report(tell)` tells of every problem, for a file of all.
        keep: is given every good line as it stands, and what was found of its object.

    Returns:
        The report; its `counts` are empty where all is good.

    Raises:
        ValueError: an S3 URI without a client to read it.
        OSError: a file that cannot be read.
        ClientError: S3 failed, other than by a refusal.
    """
    report = Report() if report is None else report
    rules = Rules(limits, None if reads is None else tuple(reads), task_type)
    finder = None
    if s3 is not None:
        objects = Objects(s3)
        finder = Finder(lambda uris: objects.find_all(uris, rules.reads or ()), objects.read_all, objects.region_of)
    if not (isinstance(source, str) and source.startswith("s3://")):
        chunks = _pieces(Path(source)) if isinstance(source, str | Path) else source
        check_lines(chunks, rules, report, finder, keep)
        return report
    if s3 is None:
        raise ValueError(f"{source} is in S3: give a client (s3=boto3.client('s3'))")
    if rules.reads is not None and not source.startswith(rules.reads):
        rule, mend = "must lie in a prefix that this project reads", f"choose one under {', '.join(rules.reads)}"
        report.refuse("outside the prefixes", Problem("input", rule, source, mend))
        return report
    try:
        _check_in_s3(source, Objects(s3), rules, report, finder, keep)
    except Unreadable as error:
        problem = Problem("input", "must be there and readable", f"{source}: {error.code}", error.mend)
        report.refuse(NO_RIGHT if error.refused else "unreadable", problem)
    return report


def _check_in_s3(
    uri: str, objects: Objects, rules: Rules, report: Report, finder: Finder | None, keep: Keep | None
) -> None:
    bucket, key = split_uri(uri)
    if uri.endswith("/"):
        check_region(bucket, objects.region_of(bucket), rules, report)
        check_listing(bucket, objects.under(bucket, key), rules, report, keep)
    else:
        check_lines(objects.chunks(uri), rules, report, finder, keep)


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            yield piece
