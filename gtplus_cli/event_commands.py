"""`gtplus events`: the quarantine of what S3 told, telling again, and the schemas."""

import json
from datetime import UTC, datetime
from importlib import resources
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from gtplus_cli.caller import Caller, command
from gtplus_cli.client import every
from gtplus_cli.letters import retell_all
from gtplus_cli.render import ago, safe
from gtplus_runtime.problems import Problem, Refused, shown
from gtplus_runtime.store import BUS, EVERYBODY, TOPIC

SCHEMAS = {
    "batch": "batch-status-changed.v1.json",
    "project": "project-status-changed.v1.json",
    "overdue": "batch-status-overdue.v1.json",
}
"""The published schemas, by the word for what they are of."""

app = typer.Typer(no_args_is_help=True, help="What came to nothing, telling again, and the schemas of the events.")


@command(app, "list")
def list_(caller: Caller) -> None:
    """List what S3 told and led to nothing, newest first, each with its reason (operators)."""
    events = _quarantine(caller)
    caller.show({"events": events}, lambda out: _show(events, out))
    if events:
        caller.next("gtplus events replay EVENT, once the reason is gone")


@command(app)
def replay(
    caller: Caller,
    event: Annotated[str | None, typer.Argument(help="The event, as the list names it.")] = None,
    *,
    whole: Annotated[bool, typer.Option("--all", help="Every event in quarantine that names an object.")] = False,
) -> None:
    """Act on an event of the quarantine again. Repeating it changes nothing (operators)."""
    if (not event) is not whole:
        problem = Problem("EVENT", "one event, or --all", shown(event), "name one of the two")
        raise Refused(400, "it is not clear what to replay", [problem])
    ids = [event] if event else [each["id"] for each in _quarantine(caller) if "uri" in each]
    answers: list[dict[str, Any]] = []
    problems: list[Problem] = []
    for id in ids:
        try:
            answers.append(caller.client.call("event.replay", event=id))
        except Refused as refused:
            if not whole:
                raise
            # One that cannot be acted on holds up no other.
            problems += refused.problems or [Problem(id, "can be acted on again", refused.summary, "look at its batch")]

    def people(out: Console) -> None:
        for answer in answers:
            mark = "[green]✓[/green]" if answer.get("settled") else "[yellow]still[/yellow]"
            out.print(f"{mark} {safe(answer['uri'])}: {safe(answer['reason'])}")

    if answers or not problems:
        caller.show({"events": answers}, people)
    if problems:
        raise Refused(409, f"{len(ids) - len(answers)} of {len(ids)} were not replayed", problems)
    caller.next("gtplus events list")


@command(app)
def retell(
    caller: Caller,
    *,
    since: Annotated[datetime, typer.Option(help="From this time on, in UTC.", formats=["%Y-%m-%dT%H:%M:%SZ"])],
    until: Annotated[
        datetime | None, typer.Option(help="Up to this time, in UTC. Default: now.", formats=["%Y-%m-%dT%H:%M:%SZ"])
    ] = None,
    project: Annotated[str | None, typer.Option(help="Of this project only.")] = None,
    to: Annotated[str, typer.Option(help=f"Whom: {EVERYBODY}, {BUS} or {TOPIC}.")] = EVERYBODY,
) -> None:
    """Tell the events of a span of time again, word for word, and look at every open batch (operators)."""
    if to not in (EVERYBODY, BUS, TOPIC):
        problem = Problem("--to", f"one of {EVERYBODY}, {BUS}, {TOPIC}", shown(to), "choose one of them")
        raise Refused(400, "nothing was told again", [problem])
    end = datetime.now(UTC) if until is None else until.replace(tzinfo=UTC)
    done = retell_all(caller.client, since.replace(tzinfo=UTC), end, project, to)
    caller.show(
        done, lambda out: out.print(f"{done['told']} events are told again, {done['nudged']} batches looked at")
    )
    caller.next("consumers know an event by workspace, project, batch and seq")


@command(app)
def schema(
    caller: Caller,
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(SCHEMAS)}.", metavar="KIND")] = "batch",
) -> None:
    """Print the JSON Schema of the detail of an event on the bus."""
    if kind not in SCHEMAS:
        problem = Problem("KIND", f"one of {', '.join(SCHEMAS)}", shown(kind), "choose one of them")
        raise Refused(400, "there is no such schema", [problem])
    text = (resources.files("gtplus_constructs") / "schemas" / SCHEMAS[kind]).read_text()
    caller.show(json.loads(text), lambda out: out.print_json(text))


def _quarantine(caller: Caller) -> list[dict[str, Any]]:
    return every(caller.client.call, "event.list", "events")


def _show(events: list[dict[str, Any]], out: Console) -> None:
    if not events:
        out.print("nothing is in quarantine")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("Event", "Since", "Batch", "What S3 told", "Why nothing came of it"):
        table.add_column(column, overflow="fold")
    for event in events:
        batch = f"{event['project']}/{event['batch']}" if "batch" in event else ""
        table.add_row(
            event["id"], ago(event["at"]), batch, safe(event.get("uri") or event.get("text", "")), safe(event["reason"])
        )
    out.print(table)
