"""The API: who calls, may they, is it legal? Then one transaction, and the answer.

Input: an event of API Gateway's HTTP API, payload 2.0, on a route with AWS_IAM. Who calls comes from
`requestContext.authorizer.iam`, which API Gateway fills after it has checked the signature and the caller's policy;
the duty and the project come from the path that the policy allows. A body or header that names an actor is refused.

Output: 200 with the batch or project as it is now; 400, 403, 404 or 409 with
`{"refused": "…", "problems": [{"place", "rule", "value", "mend"}]}`; 503 where too many wrote at once: try again with
the same `Idempotency-Key`.

Source: "Working with AWS Lambda proxy integrations for HTTP APIs" in the API Gateway developer guide; an HTTP API
waits 30 s at the most ("Quotas for configuring and running an HTTP API").
"""

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from itertools import islice, zip_longest
from typing import Any, NamedTuple

from gtplus_runtime import aws
from gtplus_runtime.commands import Actor, Command, decide_batch, decide_project, refuse_batches
from gtplus_runtime.deadlines import due_at
from gtplus_runtime.forms import check_form, check_name, parse_body
from gtplus_runtime.handling import round_manifest, store
from gtplus_runtime.lifecycle import BATCH, TAKES_BATCHES, BatchStatus, Duty, ProjectStatus
from gtplus_runtime.log import log
from gtplus_runtime.metrics import count_completed
from gtplus_runtime.objects import Objects
from gtplus_runtime.places import OURS, Limits, Place, check_output, find_place
from gtplus_runtime.problems import Problem, Refused, counted, shown
from gtplus_runtime.retelling import moment, retell
from gtplus_runtime.routes import BY_KEY, Route
from gtplus_runtime.storage import replay
from gtplus_runtime.store import TRIES, Busy, Key, Seen, Store, fingerprint, public

CLAIMS = frozenset({"x-actor", "x-duty", "x-project", "x-user"})
"""Headers by which a caller might claim to be somebody; refused, so that nobody believes that they work."""


class Call(NamedTuple):
    """One authenticated call."""

    route: Route
    key: Key
    actor: Actor
    body: dict[str, Any]
    command_key: str
    request: str
    start: int
    store: Store
    event: str = ""
    seen: Seen | None = None

    def place(self) -> Place:
        """The project's place; refused where none is deployed."""
        place = find_place(self.key.project)
        if place is None:
            lines = (
                f'LabelingProject(stack, …, project_id="{self.key.project}", workspace=workspace, data=DataGrant(…))'
            )
            raise Refused(
                409,
                "this project has no place yet: its construct is not deployed",
                [Problem("project", "its construct must be deployed", "", f"add to the app and deploy: {lines}")],
            )
        return place

    def objects(self, place: Place) -> Objects:
        """The project's data."""
        return Objects(aws.s3_as(place.runtime_role_arn, f"gtplus-api-{self.actor.duty}"))


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Answer one call."""
    route, duty = BY_KEY[event["routeKey"]]
    request = event["requestContext"]["requestId"]
    fields: dict[str, Any] = {"route": route.name, "duty": str(duty), "correlation": request}
    fields |= event.get("pathParameters") or {}
    try:
        code, answer = 200, _answer(_call(event, route, duty))
    except Refused as refused:
        code, answer = refused.status, refused.answer()
    except Busy:
        code, answer = (
            503,
            {"refused": "too many wrote at once; try again with the same Idempotency-Key", "problems": []},
        )
    except Exception as error:
        log("call failed", **fields, error=type(error).__name__)
        raise
    log("call answered", **fields, code=code)
    return {"statusCode": code, "headers": {"content-type": "application/json"}, "body": json.dumps(answer)}


def _call(event: dict[str, Any], route: Route, duty: Duty) -> Call:
    names = event.get("pathParameters") or {}
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    problems = [p for place in ("project", "batch", "event") if place in names for p in check_name(place, names[place])]
    problems += [
        Problem(name, "who calls comes from the signature alone", "", "leave this header out")
        for name in sorted(CLAIMS & headers.keys())
    ]
    body: dict[str, Any] = {}
    if route.method == "POST":
        text = event.get("body")
        if text and event.get("isBase64Encoded"):
            text = base64.b64decode(text).decode("utf-8", "replace")
        try:
            body = parse_body(text)
        except ValueError as error:
            problems.append(Problem("body", str(error), "", "send a JSON object"))
        else:
            problems += check_form(route.name, body)
            # A field that is null is one that is left out.
            body = {name: value for name, value in body.items() if value is not None}
    start = (event.get("queryStringParameters") or {}).get("start", "0")
    if not (start.isascii() and start.isdigit() and len(start) <= 9):
        problems.append(Problem("start", "a whole number, 0 or more", shown(start), "send such a number"))
    if problems:
        raise Refused(400, f"{route.name} was refused: {counted(problems)}", problems)
    request = event["requestContext"]["requestId"]
    actor = _actor(event["requestContext"], duty)
    return Call(
        route=route,
        key=Key(names.get("project", ""), names.get("batch")),
        actor=actor,
        body=body,
        command_key=f"{actor.id}/{(headers.get('idempotency-key') or request)[:200]}",
        request=request,
        start=int(start),
        store=store(),
        event=names.get("event", ""),
    )


def _actor(context: Mapping[str, Any], duty: Duty) -> Actor:
    iam = context["authorizer"]["iam"]
    # A role's unique id, without the session name behind the colon: that is the caller's to choose.
    principal = str(iam["callerId"]).partition(":")[0]
    return Actor(principal, str(iam["userArn"]).partition("/")[2], duty)


def _answer(call: Call) -> dict[str, Any]:
    reader = _READERS.get(call.route.name) or _REPAIRS.get(call.route.name)
    if reader is not None:
        return reader(call)
    mark = fingerprint(call.route.name, call.actor.id, {**call.body, "batch": call.key.batch})
    for _ in range(TRIES):
        answer, seen = call.store.look(call.key, call.command_key, mark)
        if answer is not None:
            return answer
        try:
            return _decided(call._replace(seen=seen), mark)
        except _Moved:
            continue
        except Refused:
            # The first of two at the same moment has done it meanwhile, and what is done cannot be done again.
            if answer := call.store.answered(call.key, call.command_key, mark):
                return answer
            raise
    raise Busy(f"{call.key.pk} is written by too many at once")


class _Moved(Exception):
    """Somebody came between: what was checked on the head that was seen is checked anew."""


def _decided(call: Call, mark: str) -> dict[str, Any]:
    seen = _head(call)
    before = _BEFORE.get(call.route.name)
    if call.route.name == "batch.report" and (head := _progress(call, mark)):
        return public(head)
    data = before(call) if before else dict(call.body)
    target = data.pop("status", None) or call.route.target or ""
    command = Command(call.route.name, call.actor, aws.timestamp(), target, data, correlation=call.request)
    decide: Callable[[dict[str, Any] | None], list[Any]]
    objects: dict[str, int] = {}
    created = call.route.name == "batch.create"
    if call.key.batch is None:

        def decide(head: dict[str, Any] | None) -> list[Any]:
            return decide_project(head, command)
    else:
        # An end must be within reach, whatever is gone.
        gone = call.route.name == "batch.cancel" and find_place(call.key.project) is None
        settings = {} if gone else call.place().settings

        def decide(head: dict[str, Any] | None) -> list[Any]:
            if (head or {}).get("seq") != (seen or {}).get("seq"):
                raise _Moved
            if created and head is None:
                refuse_batches(call.store.head(Key(call.key.project)))
            objects.update((head or {}).get("objects", {}))
            return decide_batch(head, command, settings)

    head = call.store.decide(
        call.key,
        command,
        decide,
        command_key=call.command_key,
        fingerprint=mark,
        seen=call.seen,
        require_project=TAKES_BATCHES if created else (),
        claim_output=data["output"] if created else None,
        admit=_admission(call) if call.route.name == "project.request" else None,
    )
    if call.route.name == "batch.report":
        count_completed(call.key, head["round"], objects, head["objects"])
    return public(head)


def _head(call: Call) -> dict[str, Any] | None:
    return call.store.head(call.key) if call.seen is None else call.seen.head


def _found(call: Call) -> dict[str, Any]:
    head = _head(call)
    if head is None:
        kind = "project" if call.key.batch is None else "batch"
        name = shown(call.key.batch or call.key.project)
        raise Refused(404, f"there is no such {kind}", [Problem(kind, "must exist", name, "look at the list")])
    return head


def _show_batch(call: Call) -> dict[str, Any]:
    head = _found(call)
    status = BATCH[head["status"]]
    review = head["facts"].get("review")
    place = find_place(call.key.project)
    due = due_at(head, place.settings) if place else None
    return {
        **public(head),
        "dueAt": due,
        "reminders": head.get("reminders", 0),
        "meaning": status.meaning,
        "waitsFor": status.waits_for,
        "next": BATCH.next_for(status.name, call.actor.duty),
        "workOrder": head["facts"].get("workOrder"),
        "review": review if review and review.get("round") == head["round"] else None,
    }


def _show_project(call: Call) -> dict[str, Any]:
    head = _found(call)
    place = find_place(call.key.project)
    return {
        **public(head),
        "place": {
            "deployed": place is not None,
            **(
                {
                    "grants": [grant._asdict() for grant in place.grants],
                    "provider": place.provider,
                    "limits": place.limits._asdict(),
                }
                if place
                else {}
            ),
        },
    }


def _sample(call: Call) -> dict[str, Any]:
    head = _found(call)
    sample = head["facts"].get("sample")
    if head["status"] != BatchStatus.READY_FOR_REVIEW or sample is None or sample["round"] != head["round"]:
        raise Refused(
            409,
            "there is nothing to review now",
            [Problem("status", "must be Ready for review, with its sample drawn", head["status"], "try again later")],
        )
    objects = call.objects(call.place())
    output = head["form"]["output"]

    def link(uri: Any, folder: str, ours: str | None = None) -> str | None:
        is_file = isinstance(uri, str) and uri.startswith(folder) and not (ours and uri.startswith(ours))
        return objects.presign(uri) if is_file else None

    entries = [
        # A label may be a file of its own, where the provider writes; ours are nobody's label.
        {**entry, "url": link(entry["object"], "s3://"), "labelUrl": link(entry["label"], output, f"{output}{OURS}")}
        for entry in objects.lines(sample["uri"])
    ]
    drawn = {"round": head["round"], "seed": sample["seed"], "method": sample["method"], "objects": entries}
    return {**drawn, "labels": head["facts"]["labels"], "manifest": head["facts"]["manifest"]}


WORK_PAGE = 200
"""Objects in one answer of `batch.work`; a link is about 1.5 KB, an answer of a function at most 6 MB."""
_PAGE_BYTES = 2_000_000
"""What the entries of a page may take as JSON: the answer is a text in an answer, and may double."""


def _page(entries: Iterable[Any], start: int, most: int) -> tuple[list[Any], int | None]:
    """The entries from a place on that an answer can hold, and where to go on."""
    page: list[Any] = []
    size = 0
    for entry in islice(entries, start, None):
        size += len(json.dumps(entry))
        if len(page) == most or (page and size > _PAGE_BYTES):
            return page, start + len(page)
        page.append(entry)
    return page, None


def _work(call: Call) -> dict[str, Any]:
    head = _found(call)
    place = call.place()
    if place.data_role_arn:
        rule = f"{place.provider} reads and writes with the data role"
        # A link is signed by our own role: it would outlive a revocation of the provider's.
        raise Refused(
            409, "there are no links for this provider", [Problem("provider", rule, "", "assume the data role")]
        )
    uri = head["facts"].get("workOrder")
    if uri is None:
        raise Refused(
            409, "there is no work yet", [Problem("status", "must have its order", head["status"], "try later")]
        )
    objects = call.objects(place)
    order = objects.json(uri)
    rework = objects.lines(order["rework"]) if order["rework"] else ()
    # Each object beside a line of the rework list, which is no longer than the inventory.
    page, following = _page(zip_longest(objects.lines(order["inventory"]), rework), call.start, WORK_PAGE)
    target = order["delivery" if head["status"] == BatchStatus.READY_FOR_DELIVERY else "manifest"]
    return {
        "status": head["status"],
        "order": order,
        "objects": [
            {**entry, "url": objects.presign(entry["source-ref"]) if "source-ref" in entry else None}
            for entry, _ in page
        ],
        "next": following,
        "rework": [wrong for _, wrong in page if wrong],
        "upload": {"uri": target, "url": objects.presign(target, write=True)},
    }


def _history(call: Call) -> dict[str, Any]:
    _found(call)
    names = ("seq", "status", "before", "round", "at", "actor", "data", "implied", "correlation")
    return {
        "events": [{name: event.get(name) for name in names} for event in call.store.events(call.key)],
        "progress": call.store.progress_by_day(call.key),
    }


BATCHES_PAGE = 400
"""Batches in one answer of `batch.list`, at the most."""


def _list_batches(call: Call) -> dict[str, Any]:
    heads, following = _page(map(public, call.store.batches(call.key.project)), call.start, BATCHES_PAGE)
    return {"batches": heads, "next": following}


EVENTS_PAGE = 200
"""Events of the quarantine in one answer."""


def _quarantine(call: Call) -> dict[str, Any]:
    events, following = _page(call.store.quarantined(), call.start, EVENTS_PAGE)
    return {"events": events, "next": following}


def _replay(call: Call) -> dict[str, Any]:
    event = call.store.quarantined_event(call.event)
    if event is None:
        problem = Problem("event", "must be in quarantine", call.event, "look at the list")
        raise Refused(404, "there is no such event", [problem])
    if "uri" not in event:
        problem = Problem("event", "must name an object", event["reason"], "write the object again, and S3 tells anew")
        raise Refused(409, "this event cannot be replayed", [problem])
    return replay(call.store, event, aws.timestamp(), call.actor.name)


def _retell(call: Call) -> dict[str, Any]:
    _found(call)
    span: dict[str, str] = {}
    problems = []
    for name in ("since", "until"):
        try:
            span[name] = moment(call.body[name])
        except ValueError:
            problems.append(Problem(name, "a day of the calendar", call.body[name], "mend it"))
    if not problems and span["since"] > span["until"]:
        problems.append(Problem("until", "not before since", call.body["until"], "give a later time"))
    if problems:
        raise Refused(400, f"nothing was told again: {counted(problems)}", problems)
    more = {name: call.body[name] for name in ("to", "after") if name in call.body}
    return retell(call.store, call.key, at=aws.timestamp(), by=call.actor.name, **span, **more)


_READERS: dict[str, Callable[[Call], dict[str, Any]]] = {
    "project.list": lambda call: {"projects": [public(head) for head in call.store.projects()]},
    "project.show": _show_project,
    "batch.list": _list_batches,
    "batch.show": _show_batch,
    "batch.history": _history,
    "batch.sample": _sample,
    "batch.work": _work,
    "event.list": _quarantine,
}

_REPAIRS: dict[str, Callable[[Call], dict[str, Any]]] = {
    "event.replay": _replay,
    "project.retell": _retell,
    "batch.retell": _retell,
}
"""What is done again without a new decision: repeating it changes nothing, so no key is needed."""


def _admission(call: Call) -> Callable[[list[str]], None]:
    place = find_place(call.key.project)
    limit = (place.limits if place else Limits()).max_projects_in_review

    def admit(waiting: list[str]) -> None:
        if len(waiting) >= limit:
            rule, mend = f"at most {limit} in review at once", "wait until one is approved"
            raise Refused(
                409, f"{len(waiting)} projects are in review", [Problem("project", rule, ", ".join(waiting), mend)]
            )

    return admit


def _before_approve(call: Call) -> dict[str, Any]:
    call.place()
    return dict(call.body)


def _before_status(call: Call) -> dict[str, Any]:
    # No way around: what is approved has a place.
    return _before_approve(call) if call.body["status"] == ProjectStatus.REQUEST_APPROVED else dict(call.body)


def _before_create(call: Call) -> dict[str, Any]:
    place = call.place()
    form = dict(call.body)
    first = next(f"s3://{grant.bucket}/{prefix}" for grant in place.grants for prefix in grant.write)
    form.setdefault("output", f"{first}{call.key.batch}/")
    form.setdefault("labelAttribute", "label")
    problems = place.check_uri("input", form["input"], "read") + check_output(place, form["output"])
    if problems:
        raise Refused(400, f"batch {call.key.batch!r} was not created: {counted(problems)}", problems)
    return form


_COUNTS = (BatchStatus.DATA_RECEIVED, BatchStatus.IN_PROGRESS, BatchStatus.SENT_FOR_REWORK)
"""The statuses in which a provider says how far it is; after them the labels say it."""


def _progress(call: Call, mark: str) -> dict[str, Any] | None:
    """Counts in a status that the batch has already are no status change: they are kept, and no handler runs."""
    counts = call.body.get("objects")
    head = _head(call)
    if not counts or head is None or head["status"] != call.body["status"] or head["status"] not in _COUNTS:
        return None
    if call.body.get("round", head["round"]) != head["round"]:
        return None
    _check_counts(head, counts)
    after = call.store.progress(call.key, head, counts, aws.timestamp(), call.command_key, mark)
    if after is not None:
        count_completed(call.key, head["round"], head["objects"], after["objects"])
    return after


def _check_counts(head: Mapping[str, Any], counts: Mapping[str, int]) -> None:
    """No more than there are.

    Raises:
        Refused: where completed and failed come to more than the total.
    """
    after = {**head["objects"], **counts}
    total, done = after.get("total"), after.get("completed", 0) + after.get("failed", 0)
    if total is not None and done > total:
        rule = f"completed and failed come to at most {total}, the objects of the batch"
        raise Refused(400, "the report was refused", [Problem("objects", rule, str(done), "count each object once")])


def _before_report(call: Call) -> dict[str, Any]:
    data = dict(call.body)
    if "objects" in data and (reported := _head(call)) is not None:
        _check_counts(reported, data["objects"])
    if data["status"] != BatchStatus.READY_FOR_REVIEW:
        if "manifest" in data:
            # It would take the place of the one that is reviewed, and nobody has looked where it lies.
            rule = "goes with Ready for review alone"
            raise Refused(
                400, "the report was refused", [Problem("manifest", rule, shown(data["manifest"]), "leave it out")]
            )
        return data
    place = call.place()
    head = _found(call)
    output = head["form"]["output"]
    data.setdefault("manifest", round_manifest(output, head["round"]))
    problems = []
    if not data["manifest"].startswith(output) or data["manifest"].startswith(output + OURS):
        rule = "lies in the batch's output location, and not among our files"
        problems = [Problem("manifest", rule, data["manifest"], f"write it under {output}")]
    elif call.objects(place).find(data["manifest"]) is None:
        problems = [Problem("manifest", "must lie there when it is reported", data["manifest"], "write it first")]
    if problems:
        raise Refused(400, "the report was refused", problems)
    return data


def _before_review(call: Call) -> dict[str, Any]:
    head = _found(call)
    place = call.place()
    data = {name: value for name, value in call.body.items() if name != "verdicts"}
    # The verdicts are a list, and lists travel as S3 URIs; the name follows from the command, so a repeat overwrites
    # the same with the same.
    name = f"{OURS}round-{head['round']}/reviews/{fingerprint('', call.actor.id, call.body)[:16]}.json"
    uri = head["form"]["output"] + name
    call.objects(place).write_json(uri, {"version": 1, "round": head["round"], "verdicts": call.body["verdicts"]})
    return {**data, "verdicts": uri}


def _before_accept(call: Call) -> dict[str, Any]:
    head = _found(call)
    labels = head["facts"].get("labels")
    if head["status"] in (BatchStatus.READY_FOR_REVIEW, BatchStatus.REVIEW_COMPLETE):
        if labels is None or labels["round"] != head["round"]:
            problem = Problem(
                "status", "the labels of this round are read first", head["status"], "try again in a moment"
            )
            raise Refused(409, "the labels are being read", [problem])
        if labels["problems"]:
            # An acceptance is for good, and what is not complete can never be delivered.
            problems = [Problem("labels", "must be complete", each, "reject the round") for each in labels["problems"]]
            raise Refused(409, "labels that are not complete cannot be accepted", problems)
    return dict(call.body)


_BEFORE: dict[str, Callable[[Call], dict[str, Any]]] = {
    "project.approve": _before_approve,
    "project.status": _before_status,
    "batch.create": _before_create,
    "batch.report": _before_report,
    "batch.review": _before_review,
    "batch.accept": _before_accept,
}
