"""Batches, projects and events as people read them."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gtplus_runtime.lifecycle import BATCH, PROJECT

_STYLES = {"Data delivered": "green", "Accepted": "green", "Data transfer failed": "red", "Rejected": "red"}
_SUFFIX = re.compile(r"[0-9A-F]{8}-[0-9A-Za-z]{8,}(?=/|$)")


_CLASSES_SHOWN = 10
"""Classes in a row of a batch; `gtplus batch show --json` has a hundred."""


def safe(text: object) -> str:
    """A text of somebody else's, as a terminal may show it: no markup of ours, no control characters."""
    return escape("".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in str(text)))


def ago(at: str) -> str:
    """How long ago something was, in the two largest units."""
    return span((datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds())


def until(at: str) -> str:
    """How long it is to a time, in the two largest units."""
    return span((datetime.fromisoformat(at) - datetime.now(UTC)).total_seconds())


def span(span: float) -> str:
    """So many seconds, in the two largest units."""
    seconds = int(span)
    units = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
    parts = []
    for size, name in units:
        count, seconds = divmod(max(seconds, 0), size)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts[:2]) or "now"


def person(actor: dict[str, Any]) -> str:
    """An actor, shortened to what people recognise: without the suffix that CloudFormation gives to names."""
    return safe(_SUFFIX.sub("", actor["name"]))


def project_table(projects: Iterable[dict[str, Any]]) -> Table:
    """Projects, a line each."""
    table = _table("Project", "Status", "Since", "Task type", "Requested by")
    for project in projects:
        form = project["form"]
        requester = safe(f"{form['firstName']} {form['lastName']}")
        table.add_row(project["project"], project["status"], ago(project["since"]), form["taskType"], requester)
    return table


def show_project(project: dict[str, Any], out: Console) -> None:
    """One project."""
    form, place = project["form"], project["place"]
    grid = _grid()
    grid.add_row("project", f"[bold]{project['project']}[/bold]")
    grid.add_row("status", f"{project['status']} (since {ago(project['since'])}): {PROJECT[project['status']].meaning}")
    grid.add_row("requester", safe(f"{form['firstName']} {form['lastName']} <{form['businessEmail']}>"))
    grid.add_row("description", safe(form["description"]))
    grid.add_row("task type", f"{form['taskType']}{', contains personal data' if form['containsPii'] else ''}")
    if not place["deployed"]:
        grid.add_row("place", "not deployed: add a LabelingProject of this id to the app")
    else:
        grid.add_row("provider", place["provider"])
    for grant in place.get("grants", []):
        grid.add_row("reads", ", ".join(f"s3://{grant['bucket']}/{prefix}" for prefix in grant["read"]))
        grid.add_row("writes", ", ".join(f"s3://{grant['bucket']}/{prefix}" for prefix in grant["write"]))
    out.print(grid)


def batch_table(batches: Iterable[dict[str, Any]]) -> Table:
    """Batches, a line each."""
    table = _table("Batch", "Status", "Since", "Round", "Total", "Completed", "Failed", "Waits for")
    for batch in batches:
        objects = batch.get("objects", {})
        status = batch["status"]
        table.add_row(
            batch["batch"],
            f"[{_STYLES.get(status, 'default')}]{status}[/]",
            ago(batch["since"]),
            str(batch["round"]),
            *(str(objects.get(name, "")) for name in ("total", "completed", "failed")),
            BATCH[status].waits_for or "",
        )
    return table


def show_batch(batch: dict[str, Any], out: Console) -> None:
    """One batch: where it stands, since when, and whom it waits for."""
    facts, objects = batch["facts"], batch["objects"]
    grid = _grid()
    grid.add_row(
        "batch", f"[bold]{batch['project']}/{batch['batch']}[/bold]  {safe(batch['form'].get('description', ''))}"
    )
    grid.add_row("status", f"[bold]{batch['status']}[/bold] since {ago(batch['since'])}, round {batch['round']}")
    grid.add_row("", batch["meaning"])
    if batch.get("waitsFor"):
        grid.add_row("waits for", f"whoever may {batch['waitsFor']}")
    if batch.get("dueAt"):
        late = datetime.fromisoformat(batch["dueAt"]) < datetime.now(UTC)
        reminded = f", reminded {batch['reminders']} times" if batch.get("reminders") else ""
        grid.add_row(
            "due", f"[red]{ago(batch['dueAt'])} ago{reminded}[/red]" if late else f"in {until(batch['dueAt'])}"
        )
    if batch.get("next"):
        grid.add_row("you can", ", ".join(batch["next"]))
    grid.add_row("input", safe(batch["form"]["input"]))
    grid.add_row("output", safe(batch["form"]["output"]))
    if objects:
        names = {"toReview": "to review", "withFeedback": "with feedback"}
        grid.add_row("objects", ", ".join(f"{count} {names.get(name, name)}" for name, count in objects.items()))
    if review := batch.get("review"):
        _review_rows(grid, review)
    for name in ("reason", "problem", "report", "summary", "card"):
        if facts.get(name):
            grid.add_row(name, safe(facts[name]))
    if (personal := facts.get("personalData")) and (personal["declared"] or personal["flags"]):
        flags = ", ".join(f"{count} × {flag}" for flag, count in personal["flags"].items())
        declared = "declared" if personal["declared"] else "not declared"
        grid.add_row("personal data", safe(f"{declared}; {flags}" if flags else declared))
    _changes_row(grid, facts.get("inputChanges"))
    quality_rows(grid, facts.get("labels", {}))
    for problem in facts.get("delivery", {}).get("problems", []):
        grid.add_row("delivery", f"not complete: {safe(problem)}")
    if batch.get("failure"):
        grid.add_row("[red]failure[/red]", f"{safe(batch['failure'])} (it is tried again by itself)")
    out.print(grid)


def _review_rows(grid: Table, review: dict[str, Any]) -> None:
    """What the sample shows, the proposal, and how often such a proposal is a wrong one."""
    if "atMost" in review:
        bound = f"with {review['confidence']:.0%} confidence at most {review['atMost']:.1%} of all"
    else:
        bound = f"no bound follows from this sample ({review['method']})"
    found = f"{review['wrong']} of {review['sampled']} wrong"
    missing = f", {review['missing']} without a verdict" if review.get("missing") else ""
    unknown = f", {review['unknown']} verdicts on objects outside it" if review.get("unknown") else ""
    grid.add_row("review", f"{found}{missing}{unknown}; {bound}; proposal: {review['proposal']}")
    if risks := review.get("risks"):
        level = review["maxErrorRate"]
        grid.add_row(
            "risks",
            f"such a sample accepts a batch just over {level:.1%} with a chance of {risks['acceptOver']:.0%}, "
            f"one of {min(2 * level, 1):.1%} with {risks['acceptDouble']:.0%}, "
            f"and rejects one of {level:.1%} with {risks['rejectWithin']:.0%}",
        )


def show_quality(labels: dict[str, Any], out: Console) -> None:
    """What the labels of a round are like, before anyone looks at them."""
    grid = _grid()
    quality_rows(grid, labels)
    out.print(grid)


def quality_rows(grid: Table, labels: dict[str, Any]) -> None:
    """Whether labels are complete; their classes, confidence and defects; how far they agree with others.

    Args:
        grid: gets the rows.
        labels: as they stand on a batch; what a batch of an earlier release lacks has no row.
    """
    for problem in labels.get("problems", []):
        grid.add_row("labels", f"not complete: {safe(problem)}")
    if labels and not labels.get("problems"):
        grid.add_row("labels", f"complete: {labels['labeled']:,} labeled, {labels['failed']:,} failed with a reason")
    if (files := labels.get("files")) and files["files"]:
        known = files["files"] - files["missing"] - files["elsewhere"]
        missing = f"; not there: {files['missing']:,}, e.g. {safe(files['examples'][0])}" if files["missing"] else ""
        elsewhere = f"; {files['elsewhere']:,} lie elsewhere and were not looked at" if files["elsewhere"] else ""
        grid.add_row("label files", f"{known:,} of {files['files']:,} are there{missing}{elsewhere}")
    if classes := labels.get("classes"):
        total = sum(classes.values())
        ranked = sorted(classes.items(), key=lambda item: (-item[1], item[0]))
        shown = ", ".join(f"{safe(name)} {count / total:.1%}" for name, count in ranked[:_CLASSES_SHOWN])
        more = f", … {len(ranked) - _CLASSES_SHOWN} more" if len(ranked) > _CLASSES_SHOWN else ""
        grid.add_row("classes", shown + more)
    if sure := labels.get("confidence"):
        grid.add_row("confidence", f"median {sure['median']:g}, a twentieth at most {sure['p05']:g}")
    if defects := labels.get("defects"):
        grid.add_row("defects", ", ".join(f"{count:,} × {safe(kind)}" for kind, count in defects.items()))
    elif "defects" in labels:
        grid.add_row("defects", "none found")
    for number, found in labels.get("agreement", {}).items():
        grid.add_row("agreement", f"with round {number}: {agreement_words(found)}")
    if gold := labels.get("gold"):
        grid.add_row("agreement", f"with the gold labels: {agreement_words(gold)}")


def agreement_words(found: dict[str, Any]) -> str:
    """The measures of an agreement, in words."""
    if "unreadable" in found:
        return f"its labels cannot be read any more: {safe(found['unreadable'])}"
    parts = [f"{found['objects']:,} objects in both"]
    if classes := found.get("classes"):
        # The table keeps no None within a fact.
        kappa = "" if classes.get("kappa") is None else f", Cohen's kappa {classes['kappa']:.2f}"
        parts.append(f"classes {classes['equal']:.1%} equal{kappa}")
    if boxes := found.get("boxes"):
        overlap = "" if boxes.get("meanIou") is None else f", mean IoU {boxes['meanIou']:.2f}"
        parts.append(f"boxes F1 {boxes['f1']:.2f}{overlap}")
    if others := found.get("others"):
        parts.append(f"other labels {others['equal']:.1%} equal")
    return "; ".join(parts)


def _changes_row(grid: Table, changes: dict[str, Any] | None) -> None:
    """What has become of the input since it was frozen, if anything."""
    if changes and (changes["changed"] or changes["missing"]):
        counts = f"{changes['changed']} objects changed and {changes['missing']} removed since it was frozen"
        grid.add_row("[yellow]input[/yellow]", f"{counts}: {safe(', '.join(changes['examples']))}")


def event_table(events: Iterable[dict[str, Any]]) -> Table:
    """Events, oldest first."""
    table = _table("#", "Status", "Round", "Who", "Duty", "When")
    for event in events:
        when = event["at"][:19].replace("T", " ")
        implied = " (implied)" if event.get("implied") else ""
        actor = event["actor"]
        table.add_row(
            str(event["seq"]), event["status"] + implied, str(event["round"]), person(actor), actor["duty"], when
        )
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column)
    return table


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    return grid
