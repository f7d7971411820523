"""The fields of each command, checked the same way by the command line and the API. Pure.

Source of the two service forms: "Request a project" and "Create a batch" of the Ground Truth Plus pages in the
Amazon SageMaker developer guide. A field that no form names is refused, so nobody can slip in an identity.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from gtplus_runtime.lifecycle import BATCH, PROJECT
from gtplus_runtime.problems import Problem, shown
from gtplus_runtime.store import BUS, EVERYBODY, TOPIC
from gtplus_runtime.strict_json import read_json

TASK_TYPES = ("text", "image", "video", "audio", "3d-point-cloud", "custom")
"""The task types of the service's form."""

REGULATED = ("PHI", "PCI", "FedRAMP")
"""Regulated data, which are not supported by the service ("Ground Truth Plus", in its own words): protected health
information, payment cards, and data under the US government's programme."""

NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
"""A name of a project or batch: 1 to 63 letters, digits and inner hyphens, as SageMaker names its jobs."""

MAX_BODY = 1_000_000
"""Bytes of a command's body. Lists of objects that are longer travel as S3 URIs."""

MAX_PROBLEMS = 100
"""Problems that one answer spells out: an answer must not be larger than what it answers."""

MAX_VERDICTS = 2_000
"""Verdicts in one submission; a sample is never larger."""

EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_ATTRIBUTE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,126}")
_TIME = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?Z")
_S3 = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/(?!(?:.*/)?\.\.?(?:/|$))[^\x00-\x1f\x7f]{0,1024}")


class Field(NamedTuple):
    """One field of a form.

    Attributes:
        name: its key in the JSON body.
        help: what it is, for people.
        kind: `text`, `flag`, `count`, `s3`, `email`, `attribute`, `regulated`, `time`, `counters` or `verdicts`.
        required: whether it must be there.
        choices: the values allowed, where they are few.
        limit: the longest text in characters.
    """

    name: str
    help: str
    kind: str = "text"
    required: bool = False
    choices: tuple[str, ...] = ()
    limit: int = 1_000


_REASON = Field("reason", "why")
_ROUND = Field("round", "the round it is about; a word on an earlier round is refused", "count")

_SPAN = (
    Field("since", "the time from which on events are told again", "time", required=True),
    Field("until", "the time up to which, itself included", "time", required=True),
    Field("to", "whom they are told", choices=(EVERYBODY, BUS, TOPIC)),
)

FORMS: dict[str, tuple[Field, ...]] = {
    "project.request": (
        Field("firstName", "first name of the requester", required=True, limit=100),
        Field("lastName", "last name of the requester", required=True, limit=100),
        Field("businessEmail", "business e-mail of the requester", "email", required=True),
        Field("description", "what is to be labeled, and what for", required=True),
        Field("taskType", "the kind of task", required=True, choices=TASK_TYPES),
        Field(
            "containsPii",
            "whether the data contain personally identifiable information",
            "flag",
            required=True,
        ),
        Field("regulatedData", "which regulated data they contain, which the service takes none of", "regulated"),
    ),
    "project.approve": (_REASON,),
    "project.decline": (_REASON,),
    "project.status": (
        Field("status", "the status to move to", required=True, choices=tuple(PROJECT.statuses)),
        _REASON,
    ),
    "project.retell": (*_SPAN, Field("after", "the batch after which to go on, as the last answer says")),
    "batch.retell": _SPAN,
    "event.replay": (),
    "batch.create": (
        Field("description", "what the batch is"),
        Field("input", "S3 location of the input: a prefix that ends in / or a manifest", "s3", required=True),
        Field("output", "S3 location of the output, a prefix that ends in /", "s3"),
        Field("labelAttribute", "name of the label attribute in the output", "attribute"),
    ),
    "batch.report": (
        Field("status", "the status reached", required=True, choices=tuple(BATCH.statuses)),
        _ROUND,
        _REASON,
        Field("manifest", "S3 location of the round's output manifest", "s3"),
        Field("objects", "counts of objects: completed, failed", "counters"),
        Field("evidence", "where it is known from, e.g. a mail"),
    ),
    "batch.review": (
        _ROUND,
        Field("verdicts", "a verdict an object: object, correct, reason", "verdicts", required=True),
        Field("comment", "feedback on the whole batch"),
    ),
    "batch.accept": (_ROUND, _REASON),
    "batch.reject": (_ROUND, Field("reason", "what is wrong with the labels", required=True)),
    "batch.rework": (_REASON,),
    "batch.pause": (_REASON,),
    "batch.resume": (_REASON,),
    "batch.cancel": (_REASON,),
}
"""The fields of every command, by the name of its route."""


def check_name(place: str, name: object) -> list[Problem]:
    """What is wrong with the name of a project or batch."""
    if isinstance(name, str) and NAME.fullmatch(name):
        return []
    return [
        Problem(
            place,
            "1 to 63 letters, digits and hyphens, no hyphen at an end",
            shown(name),
            "choose such a name",
        )
    ]


def check_form(route: str, body: Mapping[str, Any]) -> list[Problem]:
    """All that is wrong with the body of a command: missing, unknown and ill-formed fields."""
    fields = {field.name: field for field in FORMS[route]}
    known = ", ".join(fields)
    problems = [
        Problem(name, f"no field of {route!r}", shown(body[name]), f"leave it out; the fields are: {known}")
        for name in body
        if name not in fields
    ]
    for field in fields.values():
        value = body.get(field.name)
        if value is None:
            if field.required:
                problems.append(Problem(field.name, "required", "", f"give {field.help}"))
        else:
            problems += _check_field(field, value)
    return problems[:MAX_PROBLEMS]


def _check_field(field: Field, value: Any) -> list[Problem]:
    def wrong(rule: str, mend: str) -> list[Problem]:
        return [Problem(field.name, rule, shown(value), mend)]

    match field.kind:
        case "flag":
            return [] if isinstance(value, bool) else wrong("true or false", "send a JSON boolean")
        case "count":
            good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31
            return [] if good else wrong("a whole number, 0 or more", "send such a number")
        case "counters":
            good = isinstance(value, dict) and set(value) <= {"completed", "failed"}
            good = good and all(
                isinstance(n, int) and not isinstance(n, bool) and 0 <= n < 2**31 for n in value.values()
            )
            return (
                [] if good else wrong("counts named completed and failed", 'send e.g. {"completed": 200, "failed": 0}')
            )
        case "verdicts":
            return _check_verdicts(value)
        case "regulated":
            known = isinstance(value, list) and all(each in REGULATED for each in value)
            if not known:
                return wrong(f"a list of some of {', '.join(REGULATED)}", "declare what the data contain")
            rule = f"none of {', '.join(REGULATED)}: the service does not support such data"
            return wrong(rule, "take them out of the data, and request the project without them") if value else []
    if not isinstance(value, str) or not value.strip():
        return wrong("a text that is not empty", f"give {field.help}")
    if len(value) > field.limit:
        return wrong(f"at most {field.limit} characters, and it has {len(value)}", "shorten it")
    if any(0xD800 <= ord(character) <= 0xDFFF for character in value):
        return wrong("text that UTF-8 can write", "take the lone surrogates out")
    if field.choices and value not in field.choices:
        return wrong(f"one of {', '.join(field.choices)}", "choose one of them")
    patterns = {
        "email": (EMAIL, "an e-mail address", "give one such as jo@example.com"),
        "time": (_TIME, "a time in UTC, in ISO 8601", "give one such as 2026-11-25T08:00:00Z"),
        "attribute": (
            _ATTRIBUTE,
            "1 to 127 letters, digits, - and _, beginning with a letter or digit",
            "rename it",
        ),
        "s3": (
            _S3,
            "an S3 URI s3://bucket/key without . or .. as a folder",
            "give one such as s3://bucket/raw/",
        ),
    }
    if field.kind in patterns:
        pattern, rule, mend = patterns[field.kind]
        if not pattern.fullmatch(value):
            return wrong(rule, mend)
    return []


def _check_verdicts(value: Any) -> list[Problem]:
    if not isinstance(value, list) or not value:
        return [Problem("verdicts", "a list of at least one verdict", shown(value), "judge the objects of the sample")]
    if len(value) > MAX_VERDICTS:
        return [Problem("verdicts", f"at most {MAX_VERDICTS}", str(len(value)), "judge the objects of the sample only")]
    problems = []
    seen: set[str] = set()
    for number, verdict in enumerate(value):
        place = f"verdicts[{number}]"
        if not isinstance(verdict, dict) or not set(verdict) <= {"object", "correct", "reason"}:
            problems.append(Problem(place, "an object with object, correct and reason", shown(verdict), "send that"))
            continue
        name, correct, reason = verdict.get("object"), verdict.get("correct"), verdict.get("reason")
        if not isinstance(name, str) or not name or len(name) > 2_000:
            problems.append(Problem(f"{place}.object", "the object as the sample names it", shown(name), "copy it"))
        elif name in seen:
            problems.append(Problem(f"{place}.object", "one verdict an object", shown(name), "drop the second"))
        else:
            seen.add(name)
        if not isinstance(correct, bool):
            problems.append(Problem(f"{place}.correct", "true or false", shown(correct), "send a JSON boolean"))
        elif not (correct and reason is None) and not (
            isinstance(reason, str) and (correct or reason.strip()) and len(reason) <= 1_000
        ):
            problems.append(Problem(f"{place}.reason", "1 to 1,000 characters", shown(reason), "say what is wrong"))
    return problems


def parse_body(text: str | bytes | None) -> dict[str, Any]:
    """The JSON object of a request's body; an empty body is an empty object.

    Raises:
        ValueError: a sentence for the caller, where the body is too long, no JSON, or no object.
    """
    if not text:
        return {}
    if len(text) > MAX_BODY:
        raise ValueError(f"a body has at most {MAX_BODY} bytes, this one {len(text)}: hand long lists over as S3 URIs")
    try:
        # Of two values under one name, readers take the one or the other: whoever looks at the call must know which.
        body = read_json(text if isinstance(text, str) else text.decode(), unique=True)
    except ValueError as error:
        raise ValueError(f"the body is no JSON: {error}") from None
    if not isinstance(body, dict):
        raise ValueError(f"the body must be a JSON object, not {shown(body)}")
    return body
