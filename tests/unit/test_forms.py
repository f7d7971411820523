"""The fields of the commands: everything that is wrong is said at once, and nothing that was sent breaks the check."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gtplus_runtime.forms import FORMS, MAX_BODY, MAX_VERDICTS, check_form, check_name, parse_body
from gtplus_runtime.problems import Problem, Refused, counted, shown

REQUEST = {
    "firstName": "Ann",
    "lastName": "Ba",
    "businessEmail": "ann@example.com",
    "description": "digits",
    "taskType": "image",
    "containsPii": False,
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


def places(problems: list[Problem]) -> list[str]:
    return [problem.place for problem in problems]


def test_a_form_filled_in_well_has_no_problems() -> None:
    assert check_form("project.request", REQUEST) == []
    assert check_form("batch.create", {"input": "s3://data/raw/"}) == []
    assert check_form("batch.pause", {}) == []


@pytest.mark.parametrize("name", ["actor", "duty", "project", "batch", "user", "at", "seq", "target", "__proto__", ""])
@pytest.mark.parametrize("route", FORMS)
def test_no_form_takes_who_acts_or_where(route: str, name: str) -> None:
    (problem,) = [problem for problem in check_form(route, {name: "x"}) if problem.place == name]
    assert problem.rule == f"no field of {route!r}"
    assert problem.mend.startswith("leave it out; the fields are: ")


@pytest.mark.parametrize("route", [route for route in FORMS if route not in ("batch.report", "project.status")])
def test_only_a_report_and_an_operator_name_a_status(route: str) -> None:
    assert "status" in places(check_form(route, {"status": "Accepted"}))


def test_everything_that_is_wrong_is_said_at_once() -> None:
    problems = check_form(
        "project.request",
        {"firstName": " ", "businessEmail": "nobody", "taskType": "smell", "containsPii": "no", "actor": "root"},
    )
    assert places(problems) == [
        "actor",
        "firstName",
        "lastName",
        "businessEmail",
        "description",
        "taskType",
        "containsPii",
    ]
    for problem in problems:
        assert problem.rule
        assert problem.mend
    assert problems[4] == Problem("description", "required", "", "give what is to be labeled, and what for")
    assert "text, image, video" in problems[5].rule


@pytest.mark.parametrize("kind", ["PHI", "PCI", "FedRAMP"])
def test_a_project_of_regulated_data_is_refused(kind: str) -> None:
    (problem,) = check_form("project.request", {**REQUEST, "regulatedData": [kind]})
    assert problem == Problem(
        "regulatedData",
        "none of PHI, PCI, FedRAMP: the service does not support such data",
        f"['{kind}']",
        "take them out of the data, and request the project without them",
    )
    assert check_form("project.request", {**REQUEST, "regulatedData": []}) == []
    assert places(check_form("project.request", {**REQUEST, "regulatedData": kind})) == ["regulatedData"]
    assert places(check_form("project.request", {**REQUEST, "regulatedData": ["HIPAA"]})) == ["regulatedData"]


def test_null_is_a_field_left_out() -> None:
    assert check_form("batch.create", {"input": "s3://data/raw/", "description": None}) == []
    assert places(check_form("batch.create", {"input": None})) == ["input"]


@given(st.sampled_from(sorted(FORMS)), st.data())
def test_whatever_is_sent_is_answered_with_problems_that_can_be_written_as_json(
    route: str, data: st.DataObject
) -> None:
    names = st.sampled_from([*(field.name for field in FORMS[route]), "other"]) | st.text(max_size=10)
    problems = check_form(route, data.draw(st.dictionaries(names, JSON, max_size=6)))
    json.dumps(Refused(400, "no", problems).answer()).encode()
    assert all(problem.rule and problem.mend and len(problem.value) <= 120 for problem in problems)


@given(st.binary(max_size=60) | st.text(max_size=60) | JSON.map(json.dumps))
def test_a_body_is_an_object_or_refused(text: str | bytes) -> None:
    try:
        body = parse_body(text)
    except ValueError as error:
        body, reason = {}, str(error)
    else:
        reason = "the body is good"
    assert isinstance(body, dict)
    assert reason.startswith("the body ")


@pytest.mark.parametrize("nothing", [None, "", b""])
def test_no_body_is_an_empty_one(nothing: str | bytes | None) -> None:
    assert parse_body(nothing) == {}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[]", "must be a JSON object"),
        ('"a"', "must be a JSON object"),
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ('{"a": ' + "9" * 5_000 + "}", "is no JSON"),
        ('{"reason": NaN}', "is no JSON"),
        (b"\xff\xfe{}", "is no JSON"),
    ],
    ids=["a list", "a text", "half of one", "deep", "a long number", "not a number", "not UTF-8"],
)
def test_a_body_that_is_no_object_is_refused(text: str | bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_body(text)


def test_a_long_body_is_refused_with_its_mend() -> None:
    with pytest.raises(ValueError, match="hand long lists over as S3 URIs"):
        parse_body('{"a": "' + "x" * MAX_BODY + '"}')


@pytest.mark.parametrize(
    ("route", "field", "place"),
    [("batch.pause", "reason", "reason"), ("batch.review", "verdicts", "verdicts[0]")],
)
def test_deep_nesting_is_refused_whatever_the_depth(route: str, field: str, place: str) -> None:
    """At some depths a text could still be read as JSON and no longer be shown or written."""
    for depth in [10, 90, *range(800, 1_000), 5_000, 100_000]:
        text = f'{{"{field}": {"[" * depth}{"]" * depth}}}'
        try:
            problems = check_form(route, parse_body(text))
        except ValueError:
            problems = [Problem("body", "", "", "")]
        assert places(problems) == ([place] if depth <= 90 else ["body"])


# Texts


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("", "a text that is not empty"),
        ("  \n", "a text that is not empty"),
        (3, "a text that is not empty"),
        (["a"], "a text that is not empty"),
        ("x" * 1_001, "at most 1000 characters, and it has 1001"),
        ("a\ud800b", "text that UTF-8 can write"),
    ],
)
def test_what_is_no_text_is_refused(value: Any, rule: str) -> None:
    (problem,) = check_form("batch.reject", {"reason": value})
    assert problem.rule == rule


@pytest.mark.parametrize("value", ["x" * 1_000, "zu wenig Kontrast, Zeile 3", "日本語", "👍", "a\nb"])
def test_a_reason_is_any_text(value: str) -> None:
    assert check_form("batch.reject", {"reason": value}) == []


@pytest.mark.parametrize("value", ["ann", "@", "ann@", "ann@example", "a b@example.com", "a@b@example.com", "a@b.c\n"])
def test_what_is_no_mail_address_is_refused(value: str) -> None:
    assert places(check_form("project.request", {**REQUEST, "businessEmail": value})) == ["businessEmail"]


# Names


@pytest.mark.parametrize("name", ["a", "A1", "street-signs", "a--b", "x" * 63, "0"])
def test_a_name_is_letters_digits_and_inner_hyphens(name: str) -> None:
    assert check_name("project", name) == []


@pytest.mark.parametrize(
    "name",
    ["", "-a", "a-", "x" * 64, "a_b", "a/b", "a#b", "a b", "..", "a\n", "é", "a%2Fb", "*", "a?", 7, None],
)
def test_what_is_no_name_is_refused(name: object) -> None:
    (problem,) = check_name("project", name)
    assert problem.place == "project"


@given(st.text(max_size=70))
def test_a_name_never_holds_what_separates_keys_paths_and_patterns(name: str) -> None:
    if not check_name("batch", name):
        assert not set(name) & set("#/*?.%: \n")


# S3 locations


@pytest.mark.parametrize(
    "uri",
    [
        "s3://data/raw/",
        "s3://data/raw/a.manifest",
        "s3://my.bucket-1/x",
        "s3://data/raw/..a/b..c/...",
        "s3://data/raw/über/日本/",
        "s3://data/a b/(1)",
    ],
)
def test_an_s3_location_is_taken(uri: str) -> None:
    assert check_form("batch.create", {"input": uri}) == []


@pytest.mark.parametrize(
    "uri",
    [
        "data/raw/",
        "https://data.s3.amazonaws.com/raw/",
        "file:///etc/passwd",
        "S3://data/raw/",
        "s3:/data/raw/",
        "s3:///raw/",
        "s3://data",
        "s3://DATA/raw/",
        "s3://-data/raw/",
        "s3://da_ta/raw/",
        "s3://data:443/raw/",
        "s3://user@data/raw/",
        "s3://arn:aws:s3:us-east-1:1:accesspoint/raw/",
        "s3://data/../x",
        "s3://data/..",
        "s3://data/./x",
        "s3://data/.",
        "s3://data/raw/../secret/",
        "s3://data/raw/..",
        "s3://data/raw/./x",
        "s3://data/raw/a\nb",
        "s3://data/raw/a\x00",
        "s3://data/raw/a\x7f",
        " s3://data/raw/",
        "s3://data/raw/\n",
    ],
)
def test_what_is_no_s3_location_is_refused(uri: str) -> None:
    (problem,) = check_form("batch.create", {"input": uri})
    assert problem.rule.startswith("an S3 URI s3://bucket/key without . or ..")


@given(st.lists(st.sampled_from(["..", ".", "a", "", "raw", "...", "..a"]), min_size=1, max_size=6))
@example(["..", "x"])
def test_no_location_with_a_dot_folder_is_taken(parts: list[str]) -> None:
    refused = check_form("batch.create", {"input": "s3://data/" + "/".join(parts)})
    assert bool(refused) == bool({".", ".."} & set(parts))


# Label attributes, counts, verdicts


@pytest.mark.parametrize(("value", "good"), [("label", True), ("a-b_1", True), ("x" * 127, True), ("x" * 128, False)])
def test_a_label_attribute_is_a_short_word(value: str, good: bool) -> None:
    assert (check_form("batch.create", {"input": "s3://data/raw/", "labelAttribute": value}) == []) == good


@pytest.mark.parametrize("value", ["$label", "a.b", "a b", "-a", "_a", "é", "a\n"])
def test_what_cannot_name_a_label_attribute_is_refused(value: str) -> None:
    assert places(check_form("batch.create", {"input": "s3://data/raw/", "labelAttribute": value})) == [
        "labelAttribute"
    ]


@pytest.mark.parametrize(("value", "good"), [(0, True), (1, True), (2**31 - 1, True), (2**31, False), (-1, False)])
def test_a_round_is_a_whole_number(value: int, good: bool) -> None:
    assert (check_form("batch.accept", {"round": value}) == []) == good


@pytest.mark.parametrize("value", [True, 1.0, "1", [1]])
def test_what_only_looks_like_a_round_is_refused(value: Any) -> None:
    assert places(check_form("batch.accept", {"round": value})) == ["round"]


@pytest.mark.parametrize(
    ("value", "good"),
    [
        ({"completed": 200, "failed": 0}, True),
        ({"completed": 3}, True),
        ({}, True),
        ({"total": 3}, False),
        ({"completed": -1}, False),
        ({"completed": True}, False),
        ({"completed": 1.5}, False),
        ({"completed": 2**31}, False),
        ([1], False),
    ],
)
def test_counts_of_objects_are_those_that_a_provider_knows(value: Any, good: bool) -> None:
    assert (check_form("batch.report", {"status": "In progress", "objects": value}) == []) == good


def test_a_status_that_does_not_exist_cannot_be_reported() -> None:
    (problem,) = check_form("batch.report", {"status": "ready for review"})
    assert problem.rule.startswith("one of Request submitted, ")


GOOD = {"object": "s3://data/raw/1.png", "correct": True}


def verdict_problems(*verdicts: Any) -> list[Problem]:
    return check_form("batch.review", {"verdicts": list(verdicts)})


def test_a_verdict_says_that_an_object_is_correct_or_why_it_is_not() -> None:
    wrong = {"object": "s3://data/raw/2.png", "correct": False, "reason": "shows a 5"}
    assert verdict_problems(GOOD, wrong, {**GOOD, "object": "inline text", "reason": "fine"}) == []


@pytest.mark.parametrize(
    ("verdict", "place", "rule"),
    [
        ("s3://data/raw/1.png", "verdicts[0]", "an object with object, correct and reason"),
        ({**GOOD, "by": "me"}, "verdicts[0]", "an object with object, correct and reason"),
        ({"correct": True}, "verdicts[0].object", "the object as the sample names it"),
        ({**GOOD, "object": ""}, "verdicts[0].object", "the object as the sample names it"),
        ({**GOOD, "object": ["x"]}, "verdicts[0].object", "the object as the sample names it"),
        ({"object": "x"}, "verdicts[0].correct", "true or false"),
        ({**GOOD, "correct": 1}, "verdicts[0].correct", "true or false"),
        ({**GOOD, "correct": False}, "verdicts[0].reason", "1 to 1,000 characters"),
        ({**GOOD, "correct": False, "reason": " "}, "verdicts[0].reason", "1 to 1,000 characters"),
        ({**GOOD, "correct": False, "reason": "x" * 1_001}, "verdicts[0].reason", "1 to 1,000 characters"),
        ({**GOOD, "reason": "x" * 1_001}, "verdicts[0].reason", "1 to 1,000 characters"),
        ({**GOOD, "reason": {"deep": 1}}, "verdicts[0].reason", "1 to 1,000 characters"),
    ],
)
def test_what_is_no_verdict_is_refused(verdict: Any, place: str, rule: str) -> None:
    assert [(problem.place, problem.rule) for problem in verdict_problems(verdict)] == [(place, rule)]


def test_an_object_has_one_verdict() -> None:
    (problem,) = verdict_problems(GOOD, {**GOOD, "correct": False, "reason": "no"})
    assert (problem.place, problem.rule) == ("verdicts[1].object", "one verdict an object")


@pytest.mark.parametrize(("objects", "good"), [(range(2_000), True), (range(2_001), False), ([], False)])
def test_a_review_has_at_least_one_verdict_and_at_most_2000(objects: Any, good: bool) -> None:
    assert MAX_VERDICTS == 2_000
    assert (verdict_problems(*({**GOOD, "object": str(number)} for number in objects)) == []) == good


def test_of_many_bad_verdicts_the_first_hundred_problems_are_told() -> None:
    assert len(verdict_problems(*range(2_000))) == 100


# Problems as people read them


def test_a_problem_reads_as_place_rule_what_was_received_and_mend() -> None:
    assert str(Problem("round", "must be 2", "1", "look again")) == "round: must be 2 (received 1); look again"
    assert str(Problem("round", "required", "", "give it")) == "round: required; give it"


def test_a_refusal_reads_as_its_summary_and_all_its_problems() -> None:
    refused = Refused(409, "no", [Problem("a", "b", "", "c"), Problem("d", "e", "f", "g")])
    assert str(refused) == "no\n  a: b; c\n  d: e (received f); g"
    assert refused.answer()["problems"][1] == {"place": "d", "rule": "e", "value": "f", "mend": "g"}


def test_problems_are_counted_as_people_count() -> None:
    assert [counted(0), counted(1), counted(2_000), counted(["a"])] == [
        "0 problems",
        "1 problem",
        "2,000 problems",
        "1 problem",
    ]


@given(JSON)
def test_a_value_is_shown_on_one_short_line_that_can_be_written_anywhere(value: Any) -> None:
    text = shown(value)
    assert len(text) <= 120
    assert len(text.splitlines()) <= 1
    text.encode()
