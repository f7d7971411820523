"""`gtplus notify`: who gets e-mail about what waits for people, what waits too long, and about alarms.

At run time, and not in the template: people come and go without a deploy, and no address of theirs stands in
CloudFormation. Each address confirms for itself, by the link that SNS sends it.
"""

import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from gtplus_cli.caller import Caller, command
from gtplus_cli.render import safe
from gtplus_runtime.forms import EMAIL, check_name
from gtplus_runtime.lifecycle import PEOPLE
from gtplus_runtime.problems import Problem, Refused, counted, shown

app = typer.Typer(
    no_args_is_help=True, help="Choose who gets e-mail about what waits for people, waits too long, and about alarms."
)

TOPICS = {
    "work": ("topic", "what waits for people"),
    "escalations": ("escalations", "what waits too long"),
    "alarms": ("alarms", "alarms"),
}
"""What an address can be told about: the name of its topic among the workspace's facts, and the words for it."""

PENDING = "PendingConfirmation"
"""What SNS calls a subscription that its address has not confirmed."""

_Email = Annotated[str, typer.Argument(help="The e-mail address.")]
_About = Annotated[
    str, typer.Option(help="About `work` that waits, `escalations` of what waits too long, or `alarms`.")
]


@command(app)
def add(
    caller: Caller,
    email: _Email,
    *,
    project: Annotated[list[str] | None, typer.Option(help="About this project only; may be repeated.")] = None,
    duty: Annotated[
        list[str] | None,
        typer.Option(help=f"When it waits for this duty only: {', '.join(PEOPLE)}; may be repeated."),
    ] = None,
    about: _About = "work",
) -> None:
    """Send e-mail to an address, once it has confirmed. Repeating it changes nothing."""
    problems = _check_about(about)
    problems += [] if EMAIL.fullmatch(email) else [Problem("EMAIL", "an e-mail address", shown(email), "mend it")]
    problems += [p for name in project or [] for p in check_name("--project", name)]
    problems += [
        Problem("--duty", f"one of {', '.join(PEOPLE)}", shown(each), "choose one of them")
        for each in duty or []
        if each not in tuple(PEOPLE)
    ]
    if about == "alarms" and (project or duty):
        problems.append(Problem("--about alarms", "without --project and --duty", "", "subscribe twice to get both"))
    if problems:
        raise Refused(400, f"nobody was subscribed: {counted(problems)}", problems)
    wanted = {name: values for name, values in (("project", project), ("waitsFor", duty)) if values}
    attributes = {"FilterPolicy": json.dumps(wanted)} if wanted else {}
    if about != "alarms":
        attributes["RedrivePolicy"] = json.dumps({"deadLetterTargetArn": caller.client.facts["topicLetters"]})
    sns = caller.session.client("sns")
    for subscription, filters in _subscriptions(caller, about):
        if subscription["Endpoint"] == email and subscription["SubscriptionArn"] != PENDING and filters != wanted:
            rule = f"subscribed already, for {_words(filters)}"
            mend = f"gtplus notify remove {email} --about {about}, then add it again"
            raise Refused(409, f"{email} was not subscribed", [Problem("EMAIL", rule, "", mend)])
    sns.subscribe(TopicArn=_topic(caller, about), Protocol="email", Endpoint=email, Attributes=attributes)
    answer = {"email": email, "filters": wanted, "about": about}
    caller.show(answer, lambda out: out.print(f"{safe(email)} gets a link to confirm, then {_about(about, wanted)}"))
    caller.next("gtplus notify list")


@command(app, "list")
def list_(caller: Caller) -> None:
    """List who gets e-mail about what."""
    found = [
        {
            "email": subscription["Endpoint"],
            "about": about,
            "filters": filters,
            "confirmed": subscription["SubscriptionArn"] != PENDING,
        }
        for about in TOPICS
        for subscription, filters in _subscriptions(caller, about)
    ]
    caller.show({"subscriptions": found}, lambda out: _show(found, out))
    caller.next("gtplus notify add EMAIL --project PROJECT --duty review")


@command(app)
def remove(caller: Caller, email: _Email, *, about: _About = "work") -> None:
    """Send no more e-mail to an address. Repeating it changes nothing."""
    if problems := _check_about(about):
        raise Refused(400, "nothing was removed", problems)
    sns = caller.session.client("sns")
    mine = [each for each, _ in _subscriptions(caller, about) if each["Endpoint"] == email]
    for subscription in mine:
        if subscription["SubscriptionArn"] != PENDING:
            sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])
    waiting = sum(subscription["SubscriptionArn"] == PENDING for subscription in mine)
    note = "; what it has not confirmed ends by itself" if waiting else ""
    answer = {"email": email, "removed": len(mine) - waiting, "pending": waiting}
    caller.show(answer, lambda out: out.print(f"{safe(email)}: {answer['removed']} removed{note}"))


def _check_about(about: str) -> list[Problem]:
    rule = f"one of {', '.join(TOPICS)}"
    return [] if about in TOPICS else [Problem("--about", rule, shown(about), "choose one of them")]


def _topic(caller: Caller, about: str) -> str:
    return str(caller.client.facts[TOPICS[about][0]])


def _subscriptions(caller: Caller, about: str) -> Iterator[tuple[dict[str, Any], dict[str, list[str]]]]:
    """Every e-mail subscription of a topic, and what it is filtered by."""
    sns = caller.session.client("sns")
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=_topic(caller, about))
    for subscription in (each for page in pages for each in page["Subscriptions"]):
        if subscription["Protocol"] != "email":
            continue
        filters = {}
        if subscription["SubscriptionArn"] != PENDING:
            found = sns.get_subscription_attributes(SubscriptionArn=subscription["SubscriptionArn"])["Attributes"]
            filters = json.loads(found.get("FilterPolicy") or "{}")
        yield dict(subscription), filters


def _words(filters: dict[str, list[str]]) -> str:
    return "; ".join(f"{name} {' or '.join(values)}" for name, values in filters.items()) or "everything"


def _about(about: str, filters: dict[str, list[str]]) -> str:
    return TOPICS[about][1] if about == "alarms" else f"{TOPICS[about][1]}: {_words(filters)}"


def _show(found: list[dict[str, Any]], out: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("Address", "About", "State"):
        table.add_column(column, overflow="fold")
    for each in found:
        state = "" if each["confirmed"] else "[yellow]not confirmed[/yellow]"
        table.add_row(safe(each["email"]), safe(_about(each["about"], each["filters"])), state)
    out.print(table if found else "nobody gets e-mail")
