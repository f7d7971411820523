"""`gtplus dlq`: what was not delivered, and delivering it again."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from gtplus_cli.caller import Caller, command
from gtplus_cli.letters import HOPS, DeadLetters, Letter
from gtplus_cli.render import ago, safe
from gtplus_runtime.problems import Problem, Refused, shown

app = typer.Typer(no_args_is_help=True, help="List what could not be delivered, and deliver it again (operators).")

_Limit = Annotated[int, typer.Option(min=1, max=10_000, help="Letters at the most.")]


@command(app, "list")
def list_(
    caller: Caller,
    hop: Annotated[str | None, typer.Argument(help=f"One of {', '.join(HOPS)}. Default: how many each has.")] = None,
    *,
    limit: _Limit = 100,
) -> None:
    """List the dead letters of a hop, or count those of each; they stay where they are."""
    if hop is None:
        counts = {name: _letters(caller, name).count() for name in HOPS}
        caller.show({"letters": counts}, lambda out: _show_counts(counts, out))
        caller.next("gtplus dlq list HOP shows them, gtplus dlq redrive HOP delivers them again")
        return
    letters = _letters(caller, hop).look(limit)
    caller.show({"letters": [letter.as_json() for letter in letters]}, lambda out: out.print(_table(letters)))
    if letters:
        caller.next(f"mend the cause, then gtplus dlq redrive {hop}")


@command(app)
def redrive(
    caller: Caller,
    hop: Annotated[str | None, typer.Argument(help=f"One of {', '.join(HOPS)}.")] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Those of every hop.")] = False,
    limit: _Limit = 1_000,
) -> None:
    """Do again what the dead letters stand for; what fails again stays. Repeating it does no harm."""
    if (hop is None) is not every:
        problem = Problem("HOP", "one hop, or --all", shown(hop), "name one of the two")
        raise Refused(400, "it is not clear what to redrive", [problem])
    problems = []
    answer = {}
    for name in HOPS if hop is None else [hop]:
        done = _letters(caller, name).redrive(limit)
        answer[name] = {"again": done.again, "left": [{**of.as_json(), "because": why} for of, why in done.left]}
        problems += [Problem(f"{name}, {of.at:%Y-%m-%d %H:%M}", of.what, "", why) for of, why in done.left]

    def people(out: Console) -> None:
        for name, counts in answer.items():
            out.print(f"{name:<9} {counts['again']} delivered again")

    caller.show({"redriven": answer}, people)
    if problems:
        raise Refused(409, f"{len(problems)} dead letters stay where they are", problems)
    caller.next("gtplus dlq list, in a few minutes: what fails again comes back")


def _letters(caller: Caller, hop: str) -> DeadLetters:
    if hop not in HOPS:
        problem = Problem("HOP", f"one of {', '.join(HOPS)}", shown(hop), "choose one of them")
        raise Refused(400, "there is no such hop", [problem])
    return DeadLetters(caller.session, caller.client, hop)


def _show_counts(counts: dict[str, int], out: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("Hop", "Letters", "What they are"):
        table.add_column(column)
    for name, count in counts.items():
        table.add_row(name, f"[red]{count}[/red]" if count else "0", HOPS[name])
    out.print(table)


def _table(letters: list[Letter]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("Since", "What", "Why"):
        table.add_column(column, overflow="fold")
    for letter in letters:
        table.add_row(ago(letter.at.isoformat()), safe(letter.what), safe(letter.why))
    return table
