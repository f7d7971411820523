"""`gtplus batch`: create, follow, report, review and decide on batches."""

import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from gtplus_cli.batch_input import Project, check_input, prepare, refusal, upload_folder
from gtplus_cli.caller import Caller, command, given
from gtplus_cli.client import every
from gtplus_cli.labels import label_agreement
from gtplus_cli.render import batch_table, event_table, person, show_batch, show_quality
from gtplus_cli.review_walk import Links, kept_for, walk
from gtplus_cli.selection import Selection, parse_conditions
from gtplus_runtime.forms import TASK_TYPES, check_form, check_name
from gtplus_runtime.lifecycle import BATCH, BatchStatus
from gtplus_runtime.places import LIMITS
from gtplus_runtime.problems import Problem, Refused, counted, shown
from gtplus_runtime.rules import Rules

app = typer.Typer(no_args_is_help=True, help="Create, follow, review and decide on batches.")

_Batch = Annotated[str, typer.Argument(help="The batch, as PROJECT/BATCH.", metavar="PROJECT/BATCH")]
_Reason = Annotated[str | None, typer.Option(help="Why.")]
_Round = Annotated[int | None, typer.Option(help="The round it is about; refused if it is over.")]


@command(app)
def create(
    caller: Caller,
    batch: _Batch,
    *,
    input: Annotated[
        str | None,
        typer.Option(help="S3 URI of the input: a prefix that ends in /, or a manifest. With --from: where it goes."),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--from", help="Upload this folder, and create the batch of it.", exists=True, file_okay=False),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(help="Take the lines of the manifest that meet this, e.g. 'camera=north'; all of several."),
    ] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="Take a random sample of so many lines.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the sample.")] = 0,
    drop_bad_lines: Annotated[
        bool, typer.Option("--drop-bad-lines", help="Leave out what is bad, and write it to a report.")
    ] = False,
    output: Annotated[str | None, typer.Option(help="S3 URI of the output, a prefix that ends in /.")] = None,
    label_attribute: Annotated[str | None, typer.Option(help="Label attribute in the output.")] = None,
    description: Annotated[str | None, typer.Option(help="What the batch is.")] = None,
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="Check the input first, with your own rights.")
    ] = True,
) -> None:
    """Create a batch of a prefix, a manifest, a part of one, or a folder. A bad input creates nothing."""
    project, name = _split(batch)
    conditions, problems = parse_conditions(where or [])
    problems += _contradictions(input, folder, part=bool(conditions or sample or drop_bad_lines), check=check)
    selection = Selection(conditions, sample, seed) if conditions or sample else None
    body = given(input=input, output=output, labelAttribute=label_attribute, description=description)
    form = check_form("batch.create", body)
    problems += check_name("batch", name) + [p for p in form if p.place != "input" or input is not None]
    if problems:
        raise Refused(400, f"batch {name!r} was not created: {counted(problems)}", problems)
    place = Project(caller, project) if check or folder is not None else None
    if place is not None and not place.deployed and folder is not None:
        problem = Problem("project", "its construct must be deployed", project, f"see: gtplus project show {project}")
        raise Refused(409, "this project has no place yet", [problem])
    if place is not None and place.deployed:
        if folder is not None:
            body["input"] = upload_folder(caller, place, name, folder, input)
        body["input"] = prepare(caller, place, name, body["input"], selection, drop_bad_lines=drop_bad_lines)
    answer = caller.client.call("batch.create", project=project, batch=name, **body)
    caller.show(answer, lambda out: out.print(f"batch [bold]{batch}[/bold]: {answer['status']}"))
    caller.next(f"gtplus batch watch {batch}")


@command(app)
def check(
    caller: Caller,
    input: Annotated[str, typer.Argument(help="A manifest: a file, or its S3 URI; or the S3 URI of a prefix.")],
    *,
    project: Annotated[
        str | None, typer.Option(help="Check it against this project: its prefixes, limits and task type.")
    ] = None,
    limits: Annotated[str, typer.Option(help=f"Without a project: one of {', '.join(LIMITS)}.")] = "ground-truth-plus",
    task_type: Annotated[str | None, typer.Option(help=f"Without a project: one of {', '.join(TASK_TYPES)}.")] = None,
    report: Annotated[Path, typer.Option(help="Write all problems here, as JSON Lines.")] = Path("report.jsonl"),
) -> None:
    """Check an input as its batch would be checked. Objects are looked up where it is in S3, or with a project."""
    problems = [
        Problem(option, f"one of {', '.join(known)}", shown(value), "choose one of them")
        for option, value, known in (("--limits", limits, tuple(LIMITS)), ("--task-type", task_type, TASK_TYPES))
        if value is not None and value not in known
    ]
    if not input.startswith("s3://") and not Path(input).is_file():
        problems.append(Problem("INPUT", "a file, or an S3 URI", shown(input), "look at the name"))
    if problems:
        raise Refused(400, f"nothing was checked: {counted(problems)}", problems)
    named = LIMITS[limits]
    rules = Project(caller, project).rules if project is not None else Rules(named, None, task_type)
    found = check_input(caller, rules, input, report, look_up=project is not None or input.startswith("s3://"))
    if found is None:
        problem = Problem("INPUT", "you may read it", input, "get the right to")
        raise Refused(403, "the input was not checked", [problem])
    flags = "".join(f"; {count:,} × {flag}" for flag, count in found.flags.items())
    good = f"{found.good:,} of {found.total:,} objects are good{flags}"
    caller.show(found.answer(), lambda out: out.print(good, highlight=False))
    if found.counts:
        raise refusal(f"{input} is not good", found, report)


@command(app, "list")
def list_(caller: Caller, project: Annotated[str, typer.Argument(help="Id of the project.")]) -> None:
    """List the batches of a project, newest first."""
    answer = {"batches": every(caller.client.call, "batch.list", "batches", project=project)}
    caller.show(answer, lambda out: out.print(batch_table(answer["batches"])))


@command(app)
def show(caller: Caller, batch: _Batch) -> None:
    """Show where a batch stands, since when, and whom it waits for."""
    answer = _call(caller, "batch.show", batch)
    caller.show(answer, lambda out: show_batch(answer, out))
    caller.next(f"gtplus batch history {batch}")


@command(app)
def history(caller: Caller, batch: _Batch) -> None:
    """Show every event of a batch: what, who, when."""
    answer = _call(caller, "batch.history", batch)
    caller.show(answer, lambda out: out.print(event_table(answer["events"])))


@command(app)
def watch(
    caller: Caller,
    batch: _Batch,
    *,
    until: Annotated[str | None, typer.Option(help="Stop at this status. Default: at the end.")] = None,
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 2.0,
) -> None:
    """Follow a batch and print each status as it comes. Ctrl-C stops watching, not the batch."""
    if until is not None and until not in BATCH:
        problem = Problem("--until", f"one of {', '.join(BATCH.statuses)}", shown(until), "choose one of them")
        raise Refused(400, "there is no such status", [problem])
    seen = 0
    while True:
        events = _call(caller, "batch.history", batch)["events"]
        for event in events[seen:]:
            line = json.dumps(event) if caller.as_json else None
            caller.out.print(line or f"{event['at'][:19]}  {event['status']:<30} {person(event['actor'])}")
        seen = len(events)
        status = events[-1]["status"]
        if BATCH[status].is_end or any(event["status"] == until for event in events):
            return
        time.sleep(interval)


@command(app)
def report(
    caller: Caller,
    batch: _Batch,
    status: Annotated[str, typer.Argument(help="The status reached, e.g. 'Data received'.")],
    *,
    round: _Round = None,
    manifest: Annotated[str | None, typer.Option(help="S3 URI of the round's output manifest.")] = None,
    completed: Annotated[int | None, typer.Option(min=0, help="Objects completed.")] = None,
    failed: Annotated[int | None, typer.Option(min=0, help="Objects failed.")] = None,
    evidence: Annotated[str | None, typer.Option(help="Where it is known from, e.g. a mail.")] = None,
    reason: _Reason = None,
) -> None:
    """Report a status for the provider."""
    objects = {n: value for n, value in (("completed", completed), ("failed", failed)) if value is not None}
    fields = given(status=status, round=round, manifest=manifest, evidence=evidence, reason=reason)
    _command(caller, "batch.report", batch, **fields, **({"objects": objects} if objects else {}))


@command(app)
def work(
    caller: Caller,
    batch: _Batch,
    output: Annotated[Path, typer.Argument(help="Write the objects with their links here, as JSON Lines.")],
) -> None:
    """Get what is to be labeled, for an in-house team: a link to read each object. Links end after 15 minutes."""
    start: int | None = 0
    count = 0
    rework: list[dict[str, Any]] = []
    with output.open("w") as out:
        while start is not None:
            page = _call(caller, "batch.work", batch, start=start)
            rework += page["rework"]
            out.writelines(json.dumps(entry) + "\n" for entry in page["objects"])
            count, start = count + len(page["objects"]), page["next"]
    answer = {"objects": count, "order": page["order"], "rework": rework, "output": str(output)}
    caller.show(answer, lambda console: console.print(f"{count} objects to label are in {output}"))
    caller.next(f"gtplus batch upload {batch} MANIFEST, once they are labeled")


@command(app)
def upload(
    caller: Caller,
    batch: _Batch,
    manifest: Annotated[Path, typer.Argument(help="The output manifest.", exists=True, dir_okay=False)],
) -> None:
    """Upload the labels of an in-house team, and report that they are ready for review or delivered."""
    page = _call(caller, "batch.work", batch)
    caller.client.upload(page["upload"]["url"], manifest.read_bytes())
    caller.show(page["upload"], lambda out: out.print(f"uploaded to {page['upload']['uri']}"))
    if page["status"] != BatchStatus.READY_FOR_DELIVERY:
        _command(caller, "batch.report", batch, status=BatchStatus.READY_FOR_REVIEW, round=page["order"]["round"])
    caller.next(f"gtplus batch watch {batch}")


@command(app)
def review(
    caller: Caller,
    batch: _Batch,
    *,
    verdicts: Annotated[
        Path | None, typer.Option(help="JSON Lines of verdicts: object, correct, reason.", exists=True, dir_okay=False)
    ] = None,
    sample: Annotated[Path | None, typer.Option(help="Write the sample here, as JSON Lines, and do no more.")] = None,
    comment: Annotated[str | None, typer.Option(help="Feedback on the whole batch.")] = None,
    open_each: Annotated[
        bool, typer.Option("--open", help="Open each object as it comes; else the key o does.")
    ] = False,
    gold: Annotated[
        str | None,
        typer.Option(help="Labels known to be right, a manifest (file or S3 URI): shows how far the round agrees."),
    ] = None,
) -> None:
    """Review the sample of a batch: object by object in the terminal, or by a file of verdicts.

    First it shows whether the labels are complete, their classes, confidence and defects, and how far they agree with
    earlier rounds and with --gold, for which the round's manifest is read with your own rights to S3.

    In the terminal each verdict is kept in a file at once: after Ctrl-C the same command goes on.
    """
    drawn = _call(caller, "batch.sample", batch)
    if gold is not None:
        drawn["labels"] |= {"gold": label_agreement(drawn["manifest"], gold, s3=caller.session.client("s3"))}
    if not caller.as_json:
        show_quality(drawn["labels"], caller.out)
    if sample is not None:
        sample.write_text("".join(json.dumps(entry) + "\n" for entry in drawn["objects"]))
        caller.show(
            drawn, lambda out: out.print(f"{len(drawn['objects'])} objects of round {drawn['round']}: {sample}")
        )
        caller.next(f"write the verdicts, then: gtplus batch review {batch} --verdicts FILE")
        return
    if verdicts is not None:
        _send_review(caller, batch, drawn, _verdicts(verdicts, drawn["objects"]), comment)
    elif not _review_here(caller, batch, drawn, comment, open_each=open_each):
        return
    caller.next(f"gtplus batch show {batch}, then accept or reject")


@command(app)
def accept(caller: Caller, batch: _Batch, *, round: _Round = None, reason: _Reason = None) -> None:
    """Accept the labels, for good."""
    _command(caller, "batch.accept", batch, **given(round=round, reason=reason))
    caller.next(f"gtplus batch watch {batch}")


@command(app)
def reject(
    caller: Caller,
    batch: _Batch,
    *,
    reason: Annotated[str, typer.Option(help="What is wrong with the labels.")],
    round: _Round = None,
) -> None:
    """Reject the labels of this round, for good."""
    _command(caller, "batch.reject", batch, **given(round=round, reason=reason))
    caller.next(f"gtplus batch watch {batch}")


@command(app)
def rework(caller: Caller, batch: _Batch, *, reason: _Reason = None) -> None:
    """Allow one more round to a batch that was rejected in its last (operators only)."""
    _command(caller, "batch.rework", batch, **given(reason=reason))


@command(app)
def pause(caller: Caller, batch: _Batch, *, reason: _Reason = None) -> None:
    """Pause a batch."""
    _command(caller, "batch.pause", batch, **given(reason=reason))
    caller.next(f"gtplus batch resume {batch}")


@command(app)
def resume(caller: Caller, batch: _Batch, *, reason: _Reason = None) -> None:
    """Resume a paused batch where it was."""
    _command(caller, "batch.resume", batch, **given(reason=reason))


@command(app)
def cancel(caller: Caller, batch: _Batch, *, reason: _Reason = None) -> None:
    """Give a batch up."""
    _command(caller, "batch.cancel", batch, **given(reason=reason))


def _split(batch: str) -> tuple[str, str]:
    project, slash, name = batch.partition("/")
    if not (project and slash and name) or "/" in name:
        problem = Problem("PROJECT/BATCH", "a project and a batch", shown(batch), "write e.g. street-signs/digits-001")
        raise Refused(400, "it is not clear which batch is meant", [problem])
    return project, name


def _call(caller: Caller, route: str, batch: str, **body: Any) -> Any:
    project, name = _split(batch)
    return caller.client.call(route, project=project, batch=name, **body)


def _command(caller: Caller, route: str, batch: str, **body: Any) -> None:
    _show_status(caller, batch, _sent(caller, route, batch, **body))


def _sent(caller: Caller, route: str, batch: str, **body: Any) -> dict[str, Any]:
    """The answer to a command whose form was checked before it was sent."""
    problems = check_form(route, body)
    if problems:
        raise Refused(400, f"{route} was not sent: {counted(problems)}", problems)
    answer: dict[str, Any] = _call(caller, route, batch, **body)
    return answer


def _show_status(caller: Caller, batch: str, answer: dict[str, Any]) -> None:
    caller.show(answer, lambda out: out.print(f"batch [bold]{batch}[/bold]: {answer['status']}"))


def _send_review(caller: Caller, batch: str, drawn: dict[str, Any], verdicts: list[Any], comment: str | None) -> None:
    answer = _sent(caller, "batch.review", batch, round=drawn["round"], verdicts=verdicts, **given(comment=comment))
    # What people saw before it, programs get with it.
    _show_status(caller, batch, {**answer, "labels": drawn["labels"]})


def _contradictions(input: str | None, folder: Path | None, *, part: bool, check: bool) -> list[Problem]:
    if input is None and folder is None:
        return [Problem("--input", "needed, unless a folder is uploaded with --from", "", "name the input")]
    if folder is not None and part:
        rule = "--where, --sample and --drop-bad-lines take a part of a manifest or prefix in S3"
        return [Problem("--from", rule, str(folder), "take only the wanted files into the folder")]
    if part and not check:
        rule = "--where, --sample and --drop-bad-lines read the input, and so check it"
        return [Problem("--no-check", rule, "", "leave it out")]
    return []


def _verdicts(path: Path, sample: list[dict[str, Any]]) -> list[Any]:
    verdicts = []
    objects = [entry["object"] for entry in sample]
    problems = []
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        problem = Problem("--verdicts", "text in UTF-8", f"byte {error.start} of {path}", "write the file as UTF-8")
        raise Refused(400, f"{path} was not read", [problem]) from None
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            verdict = json.loads(line)
        except ValueError:
            problems.append(Problem(f"line {number}", "one JSON object a line", shown(line[:60]), "mend the line"))
            continue
        verdicts.append(verdict)
        # It would count for nothing, and a review is given once. What else is wrong with one, the workspace says.
        if isinstance(verdict, dict) and "object" in verdict and verdict["object"] not in objects:
            mend = "take its name from the sample: --sample FILE"
            problems.append(Problem(f"line {number}", "an object of the sample", shown(verdict["object"]), mend))
    if problems:
        raise Refused(400, f"{path} was not read: {counted(problems)}", problems)
    return verdicts


def _review_here(caller: Caller, batch: str, drawn: dict[str, Any], comment: str | None, *, open_each: bool) -> bool:
    """Walk the sample in the terminal, and send the verdicts; False where they are kept for later."""
    if not sys.stdin.isatty():
        problem = Problem("--verdicts", "needed where there is no terminal", "", "get the sample with --sample FILE")
        raise Refused(400, "nobody is here to review", [problem])
    kept = kept_for(batch, drawn["seed"])
    links = Links(lambda: list(_call(caller, "batch.sample", batch)["objects"]), drawn["objects"])
    terminal = Console(stderr=True, highlight=False) if caller.as_json else caller.out
    if not walk(drawn["objects"], kept, links, terminal, open_each=open_each):
        return False
    _send_review(caller, batch, drawn, list(kept.verdicts.values()), comment)
    kept.forget()
    return True
