"""`gtplus labels`: check, count, convert and describe manifests of labels."""

import os
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from gtplus_cli.caller import Caller, command
from gtplus_cli.labels import (
    FORMATS,
    IMPORTS,
    check_labels,
    convert_labels,
    import_labels,
    label_agreement,
    label_statistics,
)
from gtplus_cli.labels.converting import Conversion
from gtplus_cli.labels.reading import Fetch, fetch_from
from gtplus_cli.render import agreement_words, safe
from gtplus_runtime.labels import Statistics
from gtplus_runtime.labels.card import dataset_card
from gtplus_runtime.labels.checks import OVERLAP
from gtplus_runtime.problems import Problem, Refused, counted

app = typer.Typer(no_args_is_help=True, help="Check, count, convert and describe labels in a manifest.")

_PROBLEMS_SHOWN = 20
_CLASSES_SHOWN = 30

_Manifest = Annotated[str, typer.Argument(help="The manifest of labels: a file, or an S3 URI.")]
_Attribute = Annotated[str | None, typer.Option(help="The label attribute. Default: all that have metadata.")]
_Follow = Annotated[
    bool, typer.Option("--follow", help="Read the files that labels refer to, from S3: SeqLabel.json of video frames.")
]


@command(app)
def check(
    caller: Caller,
    manifest: _Manifest,
    *,
    attribute: _Attribute = None,
    inputs: Annotated[
        str | None, typer.Option("--input", help="The input manifest: each of its objects must have a line.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write all problems here, as JSON Lines.")] = None,
    overlap: Annotated[
        float, typer.Option(min=0, max=1, help="Intersection over union from which on two boxes are one drawn twice.")
    ] = OVERLAP,
    follow: _Follow = False,
) -> None:
    """Check labels: bad lines, completeness, duplicates, classes without a name, sane boxes and spans."""
    with _room("--report", report):
        found = check_labels(
            manifest,
            attribute=attribute,
            inputs=inputs,
            report=report,
            overlap=overlap,
            fetch=_fetch(caller, follow),
            s3=_s3(caller, manifest, inputs),
        )
    total = sum(found.counts.values())
    if caller.as_json or not total:
        good = f"{_many(found.lines, 'line')}, {_many(found.objects, 'object')}: all good"
        caller.show(found.summary(), lambda out: out.print(good))
    if total:
        kinds = ", ".join(f"{count:,} × {kind}" for kind, count in found.counts.most_common())
        where = f"all are in {report}" if report else "all of them: --report FILE"
        rest = [Problem("…", f"and {total - _PROBLEMS_SHOWN:,} more", "", where)] if total > _PROBLEMS_SHOWN else []
        shown = [] if caller.as_json else found.problems[:_PROBLEMS_SHOWN] + rest
        raise Refused(400, f"{counted(total)} in {_many(found.lines, 'line')}: {kinds}", shown)
    file = shlex.quote(manifest)
    caller.next(f"gtplus labels stats {file}  ·  gtplus labels convert {file} OUTPUT --to {'|'.join(FORMATS)}")


@command(app)
def stats(caller: Caller, manifest: _Manifest, *, attribute: _Attribute = None, follow: _Follow = False) -> None:
    """Count labels: objects, annotations, classes, types, confidence, for each label attribute."""
    found = _counted(caller, manifest, attribute, follow)
    caller.show({name: statistics.summary() for name, statistics in found.items()}, lambda out: _show_stats(found, out))
    caller.next(f"gtplus labels check {shlex.quote(manifest)}  ·  gtplus labels card {shlex.quote(manifest)}")


@command(app)
def agree(
    caller: Caller,
    manifest: _Manifest,
    gold: Annotated[
        str, typer.Argument(help="What it is compared with: gold labels, an earlier round; file or S3 URI.")
    ],
    *,
    attribute: Annotated[str | None, typer.Option(help="The label attribute. Default: the only one.")] = None,
    gold_attribute: Annotated[
        str | None, typer.Option(help="The label attribute in GOLD. Default: the same, or the only one.")
    ] = None,
) -> None:
    """Compare the labels in two manifests: classes equal and Cohen's kappa, boxes matched by IoU, F1 and mean IoU."""
    s3 = _s3(caller, manifest, gold)
    found = label_agreement(manifest, gold, attribute=attribute, gold_attribute=gold_attribute, s3=s3)
    caller.show(found, lambda out: out.print(agreement_words(found), soft_wrap=True))


@command(app)
def convert(
    caller: Caller,
    source: Annotated[str, typer.Argument(help="What to convert: a manifest of labels (file or S3 URI), or --from.")],
    output: Annotated[Path, typer.Argument(help="The file or folder to write; there must be nothing yet.")],
    *,
    to: Annotated[str, typer.Option(help=f"The format: {', '.join(FORMATS)}; or manifest, with --from.")],
    attribute: _Attribute = None,
    classes: Annotated[
        Path | None,
        typer.Option(
            help="File with all classes, one a line, in the order that numbers them.", exists=True, dir_okay=False
        ),
    ] = None,
    follow: _Follow = False,
    of: Annotated[
        str, typer.Option("--from", help=f"What the source is: manifest, {', '.join(IMPORTS)}.")
    ] = "manifest",
    prefix: Annotated[str | None, typer.Option(help="With --from: S3 URI of the folder of the images.")] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the images here: tells sizes that labels do not. Needed with --from yolo.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
) -> None:
    """Convert labels to COCO, YOLO, Pascal VOC, CSV, JSON Lines or Hugging Face's layout; or boxes to a manifest."""
    if of != "manifest":
        with _room("OUTPUT", output):
            _import(caller, source, output, to=to, of=of, prefix=prefix, attribute=attribute or "label", images=images)
        return
    with _room("OUTPUT", output), _bar(f"converting {source}") as progress:
        done = convert_labels(
            source,
            output,
            to=to,
            attribute=attribute,
            classes=_names(classes) if classes else None,
            fetch=_fetch(caller, follow),
            images=images,
            s3=_s3(caller, source),
            progress=progress,
        )
    caller.show(done.summary(), lambda out: _show_conversion(done, out))
    folder = FORMATS[to].images
    if folder is not None and done.root:
        caller.next(f"fetch the images: aws s3 sync {shlex.quote(done.root)} {shlex.quote(str(output / folder))}")


@command(app)
def card(
    caller: Caller,
    manifest: _Manifest,
    *,
    attribute: _Attribute = None,
    output: Annotated[Path | None, typer.Option(help="Write the card here. Default: print it.")] = None,
    follow: _Follow = False,
) -> None:
    """Write a dataset card in Markdown: what the labels are, how many of which class, how sure they are."""
    with _room("--output", output):
        cards = [
            dataset_card({"labels": statistics.summary(), "manifest": manifest, "labelAttribute": name})
            for name, statistics in _counted(caller, manifest, attribute, follow).items()
        ]
        text = "\n".join(cards)
        if output is not None:
            output.write_text(text, encoding="utf-8")
    if output is None:
        caller.show({"card": text}, lambda out: out.print(text, markup=False, soft_wrap=True))
        return
    caller.show({"output": str(output)}, lambda out: out.print(f"the card is in {output}"))


@contextmanager
def _room(option: str, path: Path | None) -> Iterator[None]:
    """Refuse a file or folder that cannot be written: before anything is read, and where the disk ends half way."""
    if path is not None and not (path.parent.is_dir() and os.access(path.parent, os.W_OK)):
        problem = Problem(option, "in a folder that is there and can be written", str(path), "make it, or name another")
        raise Refused(400, "there is no room for what is to be written", [problem])
    try:
        yield
    except OSError as error:
        # One that names a file is about that file.
        if path is None or error.filename is not None:
            raise
        problem = Problem(option, "must take all of it", f"{path}: {error.strerror}", "make room, or name another")
        raise Refused(500, "there is no room for what is to be written", [problem]) from None


def _names(classes: Path) -> list[str]:
    try:
        return [line for line in classes.read_text(encoding="utf-8-sig").splitlines() if line]
    except UnicodeDecodeError as error:
        problem = Problem("--classes", "a text in UTF-8", f"{classes}: byte {error.start + 1}", "save it as UTF-8")
        raise Refused(400, "the classes cannot be read", [problem]) from None


def _counted(caller: Caller, manifest: str, attribute: str | None, follow: bool) -> dict[str, Statistics]:
    fetch = _fetch(caller, follow)
    found = label_statistics(manifest, attribute=attribute, fetch=fetch, s3=_s3(caller, manifest))
    if not found:
        problem = Problem("manifest", "lines with label attributes and metadata", manifest, "name one with --attribute")
        raise Refused(400, "there is no label", [problem])
    return found


def _import(caller: Caller, source: str, output: Path, *, to: str, of: str, prefix: str | None, **more: Any) -> None:
    problems = []
    if to != "manifest":
        problems.append(Problem("--to", "with --from, labels become a manifest", to, "write --to manifest"))
    if prefix is None:
        problems.append(Problem("--prefix", "needed with --from", "", "name the folder of the images in S3"))
    if output.exists():
        problems.append(Problem("OUTPUT", "there must be nothing yet", str(output), "name another, or take it away"))
    if problems or prefix is None:
        raise Refused(400, "nothing was converted", problems)
    count = import_labels(source, output, of=of, prefix=prefix, **more)
    answer = {"objects": count, "output": str(output)}
    caller.show(answer, lambda out: out.print(f"{count:,} objects with their labels are in {output}"))
    caller.next(f"gtplus labels check {shlex.quote(str(output))}")


def _s3(caller: Caller, *locations: str | None) -> Any:
    if any(location and location.startswith("s3://") for location in locations):
        return caller.session.client("s3")
    return None


def _fetch(caller: Caller, follow: bool) -> Fetch | None:
    return fetch_from(caller.session.client("s3")) if follow else None


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar of labels on standard error where that is a terminal; it is gone in the end."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(safe(what), total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _many(count: int, one: str, more: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else more or one + 's'}"


def _show_stats(found: Mapping[str, Statistics], out: Console) -> None:
    for name, statistics in found.items():
        summary = statistics.summary()
        out.print(f"[bold]{safe(name)}[/bold]  {', '.join(f'{safe(t)} ({n:,})' for t, n in summary['types'].items())}")
        facts = {
            "labeled": summary["labeled"],
            "failed": summary["failed"],
            "without a label": summary["unlabeled"],
            "annotations": summary["annotations"],
            "with nothing in them": summary["withoutAnnotations"],
            "of unknown type": sum(summary["unknownTypes"].values()),
        }
        out.print("  " + ", ".join(f"{count:,} {what}" for what, count in facts.items() if count or what == "labeled"))
        if sure := summary["confidence"]:
            names = ("min", "p05", "p25", "median", "p75", "max")
            out.print("  confidence: " + ", ".join(f"{n} {sure[n]:g}" for n in names) + f" ({sure['count']:,})")
        if created := summary["created"]:
            out.print(f"  created: {safe(created[0])} to {safe(created[1])}")
        for kind, count in summary["defects"].items():
            out.print(f"  [yellow]{kind}: {count:,}[/yellow]")
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2), header_style="bold")
        for column, justify in (("Class", "left"), ("Annotations", "right"), ("Objects", "right"), ("Share", "right")):
            table.add_column(column, justify=justify)  # type: ignore[arg-type]
        for class_, count in statistics.classes.most_common(_CLASSES_SHOWN):
            share = f"{count / statistics.annotations:.1%}"
            table.add_row(safe(class_), f"{count:,}", f"{statistics.objects[class_]:,}", share)
        if len(statistics.classes) > _CLASSES_SHOWN:
            table.add_row(f"… {len(statistics.classes) - _CLASSES_SHOWN:,} more", "", "", "see --json")
        if statistics.classes:
            out.print(table)


def _show_conversion(done: Conversion, out: Console) -> None:
    title = FORMATS[done.format].title
    labels, classes = _many(done.objects, "label"), _many(len(done.classes), "class", "classes")
    out.print(f"{labels} of {classes}: {done.output}, as {title}")
    for what, count in sorted(done.left.items()):
        out.print(f"  [yellow]left out: {count:,} {safe(what)}[/yellow]")
    for name in done.clashing[:_PROBLEMS_SHOWN]:
        out.print(f"    {safe(name)}", soft_wrap=True)
    if len(done.clashing) > _PROBLEMS_SHOWN:
        out.print(f"    … {len(done.clashing) - _PROBLEMS_SHOWN:,} more, see --json")
