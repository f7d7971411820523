"""The input of a batch at the desk: checked with the caller's own rights as the workspace will check it, or made.

A part of a manifest, or one without its bad lines, becomes a manifest of its own in a prefix that the project reads.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO

from botocore.config import Config
from botocore.exceptions import ClientError
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from gtplus_cli.caller import Caller
from gtplus_cli.selection import Selection
from gtplus_cli.upload import Folder, plan, read_folder, upload
from gtplus_runtime.check import NO_RIGHT, check_manifest
from gtplus_runtime.formats import formats_of, suffix_of
from gtplus_runtime.lookup import Keep
from gtplus_runtime.manifest import check_listing
from gtplus_runtime.objects import PARALLEL, Objects, Unreadable
from gtplus_runtime.pixels import HEAD, image_size
from gtplus_runtime.places import Limits, split_uri
from gtplus_runtime.problems import Problem, Refused, counted
from gtplus_runtime.report import Report, problem_line
from gtplus_runtime.rules import Rules

_SHOWN = 20
_WHOLE = ("batch", "input")
"""Places of problems that no line alone can mend."""


class Project:
    """A project, as the making of a batch needs it.

    Args:
        caller: who asks.
        name: the project's id.

    Attributes:
        deployed: whether its construct is.
        reads: S3 URIs of the prefixes that hold input.
        rules: what an input is checked against.
    """

    def __init__(self, caller: Caller, name: str) -> None:
        shown = caller.client.call("project.show", project=name)
        place: dict[str, Any] = shown["place"]
        self.deployed = bool(place["deployed"])
        limits = Limits.of(place["limits"]) if self.deployed else Limits()
        self.reads = tuple(f"s3://{g['bucket']}/{prefix}" for g in place.get("grants", ()) for prefix in g["read"])
        self.rules = Rules(limits, self.reads, shown["form"]["taskType"])


def s3_client(caller: Caller) -> Any:
    """An S3 client with room for parallel requests."""
    return caller.session.client("s3", config=Config(max_pool_connections=PARALLEL))


def check_input(
    caller: Caller,
    rules: Rules,
    source: str | Iterable[bytes],
    path: Path,
    keep: Keep | None = None,
    *,
    look_up: bool = True,
) -> Report | None:
    """Check an input; every problem is written to a file, which is left only where there is one.

    Args:
        caller: with whose rights.
        rules: what it is checked against.
        source: the S3 URI of a prefix or a manifest, a file, or the pieces of one.
        path: the file of all problems, JSON Lines.
        keep: is given every good line.
        look_up: whether objects are looked at in S3.

    Returns:
        The report, or None where the caller may not read the input.
    """
    with ExitStack() as stack:
        files: list[BinaryIO] = []

        def tell(kind: str, problem: Problem) -> None:
            if not files:
                files.append(stack.enter_context(path.open("wb")))
            files[0].write(problem_line(kind, problem))

        path.unlink(missing_ok=True)
        try:
            report = check_manifest(
                source,
                limits=rules.limits,
                reads=rules.reads,
                task_type=rules.task_type,
                s3=s3_client(caller) if look_up else None,
                report=Report(tell),
                keep=keep,
            )
        except ClientError as error:
            code = error.response["Error"]["Code"]
        else:
            if NO_RIGHT not in report.counts:
                return report
            code = report.problems[0].value
    path.unlink(missing_ok=True)
    # The check at the other end has the authority; without the right to read, this one only says that it did not run.
    if not caller.as_json:
        caller.out.print(f"[yellow]the input was not checked here ({code}); the workspace checks it[/yellow]")
    return None


def prepare(
    caller: Caller, project: Project, name: str, source: str, selection: Selection | None, *, drop_bad_lines: bool
) -> str:
    """Check the input of a batch, and make the manifest of a part of it where only a part is wanted.

    Args:
        caller: with whose rights.
        project: whose batch.
        name: the batch's.
        source: the S3 URI of a prefix or a manifest.
        selection: which lines of the manifest are taken. Default: all.
        drop_bad_lines: leave out what is bad.

    Returns:
        The S3 URI of the input: the source, or the manifest that was made.

    Raises:
        Refused: the input is not good, or the manifest cannot be written.
    """
    path = Path(f"{name}.report.jsonl")
    part = selection is not None or drop_bad_lines
    with TemporaryFile() as good, TemporaryFile() as copy:
        checked: str | Iterable[bytes] = source
        if selection is not None:
            _fetch(caller, project, source, copy)
            checked = selection.lines(copy)
        keep = (lambda text, _found: good.write(f"{text}\n".encode())) if part else None
        report = check_input(caller, project.rules, checked, path, keep)
        whole = report is None or any(problem.place in _WHOLE for problem in report.problems)
        if report is not None and report.counts and (whole or not drop_bad_lines or not report.good):
            hint = "" if whole or drop_bad_lines else "; --drop-bad-lines leaves the bad ones out"
            raise refusal(f"batch {name!r} was not created from {source}", report, path, hint)
        if not part:
            return source
        if report is None:
            problem = Problem("--input", "you may read the input of which you take a part", source, "get the right to")
            raise Refused(400, f"batch {name!r} was not created", [problem])
        uri = _write(caller, project, name, source, good)
    dropped = sum(report.counts.values())
    if not caller.as_json:
        left = f"; {dropped:,} bad ones are left out, they are in {path}" if dropped else ""
        caller.out.print(f"{report.good:,} objects in {uri}{left}", highlight=False)
    return uri


def upload_folder(caller: Caller, project: Project, name: str, folder: Path, target: str | None) -> str:
    """Upload a folder for a batch; what is there already, by size and checksum, is left as it is.

    Args:
        caller: with whose rights.
        project: whose batch.
        name: the batch's.
        folder: the folder.
        target: the S3 URI of the prefix it goes to. Default: a folder of the batch's name in the project's first one.

    Returns:
        The S3 URI of the prefix.

    Raises:
        Refused: the folder is not good, or other objects lie there; nothing was uploaded.
    """
    uri = f"{project.reads[0]}{name}/" if target is None else target
    bucket, prefix = split_uri(uri)
    if not uri.endswith("/") or not uri.startswith(project.reads):
        mend = f"choose one under {', '.join(project.reads)}"
        raise Refused(
            400, "nothing was uploaded", [Problem("--input", "a prefix of the project, ending in /", uri, mend)]
        )
    content = read_folder(folder, prefix)
    _check_folder(project, content, folder, bucket, prefix)
    s3 = s3_client(caller)
    work = plan(s3, bucket, prefix, content.files)
    if work.strangers:
        rule = "holds the folder's files and nothing else, or the batch would hold more than the folder"
        first = ", ".join(work.strangers[:3]) + (" …" if len(work.strangers) > 3 else "")
        problem = Problem(uri, rule, f"{len(work.strangers):,}: {first}", "name an empty prefix with --input")
        raise Refused(400, "nothing was uploaded", [problem])
    size = sum(file.size for file in work.missing)
    with _bar(caller, f"upload to {uri}", size) as advance:
        upload(s3, bucket, work.missing, advance)
    if not caller.as_json:
        hidden = f", {content.hidden:,} hidden left out" if content.hidden else ""
        text = f"{len(work.missing):,} files uploaded to {uri}, {len(work.there):,} were there already{hidden}"
        caller.out.print(text, highlight=False)
    return uri


def _check_folder(project: Project, content: Folder, folder: Path, bucket: str, prefix: str) -> None:
    report = Report()
    check_listing(bucket, content.found(), project.rules, report)
    start = f"s3://{bucket}/{prefix}"
    problems = [p._replace(place=p.place.replace(start, f"{folder}/", 1)) for p in report.problems]
    problems += _check_pixels(project, content)
    if problems:
        count = max(sum(report.counts.values()), len(problems))
        raise Refused(400, f"nothing was uploaded: {counted(count)} in {folder}", problems[:_SHOWN])


def _check_pixels(project: Project, content: Folder) -> list[Problem]:
    """What is wrong inside the images; in S3, where each would have to be read, nobody looks."""
    formats = formats_of(project.rules.task_type, project.rules.limits.formats)
    if formats is None or formats.max_pixels is None:
        return []
    problems = []
    for file in (file for file in content.files if suffix_of(file.key) in formats.suffixes):
        with file.path.open("rb") as opened:
            size = image_size(opened.read(HEAD))
        place = str(file.path)
        if size is None:
            problems.append(Problem(place, "begins as a JPEG or PNG does", "", "convert it, or leave it out"))
        elif size[0] * size[1] > formats.max_pixels:
            rule = f"an image has at most {formats.max_pixels:,} pixels"
            problems.append(Problem(place, rule, f"{size[0]:,} × {size[1]:,}", "make it smaller"))
    return problems


@contextmanager
def _bar(caller: Caller, what: str, size: int) -> Iterator[Callable[[int], None]]:
    if caller.as_json or not size:
        yield lambda _bytes: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=caller.out) as progress:
        task = progress.add_task(what, total=size)
        yield lambda count: progress.advance(task, count)


def _fetch(caller: Caller, project: Project, source: str, copy: BinaryIO) -> None:
    if source.endswith("/"):
        problem = Problem("--input", "a part is taken of a manifest", source, "name a manifest")
        raise Refused(400, "there is nothing to take a part of", [problem])
    outside = project.reads and not source.startswith(project.reads)
    if outside:
        mend = f"choose one under {', '.join(project.reads)}"
        problem = Problem("--input", "must lie in a prefix that this project reads", source, mend)
        raise Refused(400, "the manifest was not read", [problem])
    try:
        for chunk in Objects(s3_client(caller)).chunks(source):
            copy.write(chunk)
    except Unreadable as error:
        problem = Problem("--input", "must be there and readable", f"{source}: {error.code}", error.mend)
        raise Refused(400, "the manifest was not read", [problem]) from None


def _write(caller: Caller, project: Project, name: str, source: str, content: BinaryIO) -> str:
    prefix = next((uri for uri in project.reads if source.startswith(uri)), project.reads[0])
    uri = f"{prefix}{name}.manifest"
    content.seek(0)
    text = content.read()
    try:
        return write_once(s3_client(caller), uri, text)
    except FileExistsError:
        rule, mend = "a manifest is never overwritten", "choose another name for the batch"
        raise Refused(400, f"another manifest lies at {uri}", [Problem("PROJECT/BATCH", rule, name, mend)]) from None
    except ClientError as error:
        local = Path(f"{name}.manifest")
        local.write_bytes(text)
        code = error.response["Error"]["Code"]
        mend = f"have {local} uploaded there, and create the batch from it"
        raise Refused(
            400, f"the manifest was not written: {code}", [Problem("caller", f"may write {uri}", code, mend)]
        ) from None


def write_once(s3: Any, uri: str, content: bytes) -> str:
    """Write a manifest, unless the same lies there already.

    Raises:
        FileExistsError: another lies there.
    """
    bucket, key = split_uri(uri)
    try:
        there: bytes | None = b"".join(Objects(s3).chunks(uri))
    except Unreadable:
        there = None
    if there is None:
        s3.put_object(Bucket=bucket, Key=key, Body=content, ContentType="application/x-ndjson", IfNoneMatch="*")
    elif there != content:
        raise FileExistsError(uri)
    return uri


def refusal(summary: str, report: Report, path: Path, hint: str = "") -> Refused:
    """The answer to an input that is not good: the first problems, and where all of them are.

    Args:
        summary: the sentence that leads the answer.
        report: what was found.
        path: the file of all problems.
        hint: a sentence on what to do about it.
    """
    if not report.total:
        path.unlink(missing_ok=True)
        return Refused(400, summary, report.problems)
    count = sum(report.counts.values())
    more = [Problem("…", f"and {count - _SHOWN:,} more", "", f"all are in {path}")] if count > _SHOWN else []
    facts = f"{report.summary()}; {report.good:,} of {report.total:,} objects are good; all problems are in {path}"
    return Refused(400, f"{summary}: {facts}{hint}", [*report.problems[:_SHOWN], *more])
