"""`gtplus notify`: who gets e-mail about what waits for people, and about alarms.

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

app = typer.Typer(no_args_is_help=True, help="Choose who gets e-mail about what waits for people, and about alarms.")

PENDING = "PendingConfirmation"
"""What SNS calls a subscription that its address has not confirmed."""

_Email = Annotated[str, typer.Argument(help="The e-mail address.")]
_Alarms = Annotated[bool, typer.Option("--alarms", help="About alarms, instead of batches and projects.")]


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
    alarms: _Alarms = False,
) -> None:
    """Send e-mail to an address, once it has confirmed. Repeating it changes nothing."""
    problems = [] if EMAIL.fullmatch(email) else [Problem("EMAIL", "an e-mail address", shown(email), "mend it")]
    problems += [p for name in project or [] for p in check_name("--project", name)]
    problems += [
        Problem("--duty", f"one of {', '.join(PEOPLE)}", shown(each), "choose one of them")
        for each in duty or []
        if each not in tuple(PEOPLE)
    ]
    if alarms and (project or duty):
        problems.append(Problem("--alarms", "without --project and --duty", "", "subscribe twice to get both"))
    if problems:
        raise Refused(400, f"nobody was subscribed: {counted(problems)}", problems)
    wanted = {name: values for name, values in (("project", project), ("waitsFor", duty)) if values}
    attributes = {"FilterPolicy": json.dumps(wanted)} if wanted else {}
    if not alarms:
        attributes["RedrivePolicy"] = json.dumps({"deadLetterTargetArn": caller.client.facts["topicLetters"]})
    sns = caller.session.client("sns")
    for subscription, filters in _subscriptions(caller, alarms):
        if subscription["Endpoint"] == email and subscription["SubscriptionArn"] != PENDING and filters != wanted:
            rule = f"subscribed already, for {_words(filters)}"
            mend = f"gtplus notify remove {email}, then add it again"
            raise Refused(409, f"{email} was not subscribed", [Problem("EMAIL", rule, "", mend)])
    sns.subscribe(TopicArn=_topic(caller, alarms), Protocol="email", Endpoint=email, Attributes=attributes)
    answer = {"email": email, "filters": wanted, "alarms": alarms}
    caller.show(answer, lambda out: out.print(f"{safe(email)} gets a link to confirm, then {_about(alarms, wanted)}"))
    caller.next("gtplus notify list")


@command(app, "list")
def list_(caller: Caller) -> None:
    """List who gets e-mail about what."""
    found = [
        {
            "email": subscription["Endpoint"],
            "alarms": alarms,
            "filters": filters,
            "confirmed": subscription["SubscriptionArn"] != PENDING,
        }
        for alarms in (False, True)
        for subscription, filters in _subscriptions(caller, alarms)
    ]
    caller.show({"subscriptions": found}, lambda out: _show(found, out))
    caller.next("gtplus notify add EMAIL --project PROJECT --duty review")


@command(app)
def remove(caller: Caller, email: _Email, *, alarms: _Alarms = False) -> None:
    """Send no more e-mail to an address. Repeating it changes nothing."""
    sns = caller.session.client("sns")
    mine = [each for each, _ in _subscriptions(caller, alarms) if each["Endpoint"] == email]
    for subscription in mine:
        if subscription["SubscriptionArn"] != PENDING:
            sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])
    waiting = sum(subscription["SubscriptionArn"] == PENDING for subscription in mine)
    note = "; what it has not confirmed ends by itself" if waiting else ""
    answer = {"email": email, "removed": len(mine) - waiting, "pending": waiting}
    caller.show(answer, lambda out: out.print(f"{safe(email)}: {answer['removed']} removed{note}"))


def _topic(caller: Caller, alarms: bool) -> str:
    return str(caller.client.facts["alarmTopic" if alarms else "topic"])


def _subscriptions(caller: Caller, alarms: bool) -> Iterator[tuple[dict[str, Any], dict[str, list[str]]]]:
    """Every e-mail subscription of a topic, and what it is filtered by."""
    sns = caller.session.client("sns")
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=_topic(caller, alarms))
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


def _about(alarms: bool, filters: dict[str, list[str]]) -> str:
    return "alarms" if alarms else f"what waits for people: {_words(filters)}"


def _show(found: list[dict[str, Any]], out: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("Address", "About", "State"):
        table.add_column(column, overflow="fold")
    for each in found:
        state = "" if each["confirmed"] else "[yellow]not confirmed[/yellow]"
        table.add_row(safe(each["email"]), safe(_about(each["alarms"], each["filters"])), state)
    out.print(table if found else "nobody gets e-mail")
