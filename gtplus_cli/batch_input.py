"""The input of a batch, checked at the desk with the caller's own rights, as the workspace will check it."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError

from gtplus_cli.caller import Caller
from gtplus_runtime.check import check_manifest
from gtplus_runtime.manifest import Keep
from gtplus_runtime.objects import PARALLEL
from gtplus_runtime.places import Limits
from gtplus_runtime.problems import Problem, Refused, counted
from gtplus_runtime.report import Report, problem_line

_SHOWN = 20


class Project:
    """A project as the check of an input needs it.

    Args:
        caller: who asks.
        name: the project's id.

    Attributes:
        deployed: whether its construct is.
        limits: the provider's.
        reads: S3 URIs of the prefixes that hold input.
        task_type: of its form.
    """

    def __init__(self, caller: Caller, name: str) -> None:
        shown = caller.client.call("project.show", project=name)
        place: dict[str, Any] = shown["place"]
        self.deployed = bool(place["deployed"])
        self.limits = Limits.of(place["limits"]) if self.deployed else Limits()
        self.reads = tuple(f"s3://{g['bucket']}/{prefix}" for g in place.get("grants", ()) for prefix in g["read"])
        self.task_type: str | None = shown["form"]["taskType"]


def s3_client(caller: Caller) -> Any:
    """An S3 client with room for parallel requests."""
    return caller.session.client("s3", config=Config(max_pool_connections=PARALLEL))


def check_input(caller: Caller, project: Project, source: str, path: Path, keep: Keep | None = None) -> Report | None:
    """Check an input; every problem is written to a file, which is left only where there is one.

    Args:
        caller: with whose rights.
        project: what it is checked against.
        source: the S3 URI of a prefix or a manifest.
        path: the file of all problems, JSON Lines.
        keep: is given every good line.

    Returns:
        The report, or None where the caller may not read the input.
    """
    with ExitStack() as stack:
        files: list[Any] = []

        def tell(kind: str, problem: Problem) -> None:
            if not files:
                files.append(stack.enter_context(path.open("wb")))
            files[0].write(problem_line(kind, problem))

        try:
            report = check_manifest(
                source,
                limits=project.limits,
                reads=project.reads,
                task_type=project.task_type,
                s3=s3_client(caller),
                report=Report(tell),
                keep=keep,
            )
        except ClientError as error:
            code = error.response["Error"]["Code"]
        else:
            if not any("AccessDenied" in p.value or "403" in p.value for p in report.problems if p.place == "input"):
                return report
            code = report.problems[0].value
    path.unlink(missing_ok=True)
    # The check at the other end has the authority; without the right to read, this one only says that it did not run.
    if not caller.as_json:
        caller.out.print(f"[yellow]the input was not checked here ({code}); the workspace checks it[/yellow]")
    return None


def refusal(name: str, source: str, report: Report, path: Path) -> Refused:
    """The answer to an input that is not good: the first problems, and where all of them are."""
    if not report.total:
        path.unlink(missing_ok=True)
        return Refused(400, f"batch {name!r} was not created", report.problems)
    count = sum(report.counts.values())
    more = [Problem("…", f"and {count - _SHOWN:,} more", "", f"all are in {path}")] if count > _SHOWN else []
    good = f"{report.good:,} of {report.total:,} objects are good"
    summary = f"batch {name!r} was not created: {counted(count)} in {source}; {good}; all problems are in {path}"
    return Refused(400, summary, [*report.problems[:_SHOWN], *more])
