"""`gtplus metrics`: objects and labels by day, rejections, rounds and time in each status."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from gtplus_cli.caller import Caller
from gtplus_cli.client import every
from gtplus_cli.metrics import Metrics, metrics_of, plot, together
from gtplus_cli.render import safe, span
from gtplus_runtime.problems import Problem, Refused


def metrics(
    caller: Caller,
    what: Annotated[str, typer.Argument(help="The project, or one batch of it.", metavar="PROJECT[/BATCH]")],
    *,
    first: Annotated[
        datetime | None, typer.Option("--from", help="First day, in UTC. Default: all.", formats=["%Y-%m-%d"])
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", help="Last day, in UTC. Default: today.", formats=["%Y-%m-%d"])
    ] = None,
    svg: Annotated[Path | None, typer.Option("--plot", help="Draw the days here, as SVG.", dir_okay=False)] = None,
) -> None:
    """Show how far a project or batch is, day by day; rejections, rounds and times are always of all days."""
    if first is not None and last is not None and first > last:
        problem = Problem("--to", "not before --from", f"{last:%Y-%m-%d}", "give a later day")
        raise Refused(400, "there are no such days", [problem])
    project, _, batch = what.partition("/")
    call = caller.client.call
    heads = (
        [call("batch.show", project=project, batch=batch)]
        if batch
        else every(call, "batch.list", "batches", project=project)
    )
    now = datetime.now(UTC)
    since, until = "" if first is None else f"{first:%Y-%m-%d}", f"{last or now:%Y-%m-%d}"
    each = {
        head["batch"]: metrics_of(head, call("batch.history", project=project, batch=head["batch"]), now).within(
            since, until
        )
        for head in heads
    }
    whole = together(each.values())
    if svg is not None:
        svg.write_text(plot(what, whole))
    batches = {name: one.answer() for name, one in each.items()}
    caller.show({**whole.answer(), "byBatch": batches}, lambda out: _show(whole, each, out))


def _show(whole: Metrics, each: dict[str, Metrics], out: Console) -> None:
    table = Table("Batch", "Objects", "Completed", "Labels", "Rejected", "Rework rounds", box=None, pad_edge=False)
    for name, one in [*each.items(), *([("all", whole)] if len(each) != 1 else [])]:
        rate = one.rejection_rate
        rejected = "" if rate is None else f"{one.rejected} of {one.reviewed} ({rate:.0%})"
        completed, labels = one.objects_by_day.total(), one.labels_by_day.total()
        table.add_row(safe(name), f"{one.objects:,}", f"{completed:,}", f"{labels:,}", rejected, str(one.rework_rounds))
    out.print(table)
    days = Table("Day", "Objects completed", "Labels completed", box=None, pad_edge=False)
    for day in sorted(whole.objects_by_day.keys() | whole.labels_by_day.keys()):
        days.add_row(day, f"{whole.objects_by_day[day]:,}", f"{whole.labels_by_day[day]:,}")
    times = Table("Status", "Time in it", box=None, pad_edge=False)
    for status, seconds in whole.seconds.most_common():
        times.add_row(status, span(seconds))
    for more in (days, times):
        if more.row_count:
            out.print()
            out.print(more)
