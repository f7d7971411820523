"""Condition operators: IAM User Guide, "IAM JSON policy elements: Condition operators"."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from gtplus_constructs.assertions.conditions import Condition
from gtplus_constructs.assertions.context import Context, normalize
from gtplus_constructs.assertions.logic import MAYBE, NO, YES


def holds(operator: str, values: object, context: Mapping[str, Any], key: str = "s3:prefix") -> bool:
    match = Condition(operator, key, values).match(Context(normalize(context), {}))
    assert match is not MAYBE
    return match is YES


ARN = "arn:aws:iam::123456789012:role/team/reader"


@pytest.mark.parametrize(
    ("operator", "wanted", "matching", "other"),
    [
        ("StringEquals", "raw/", "raw/", "RAW/"),
        ("StringEquals", ["raw/", "labels/"], "labels/", "lab"),
        ("StringEquals", "raw/*", "raw/*", "raw/1"),  # no wildcards here
        ("StringEqualsIgnoreCase", "raw/", "RAW/", "row/"),
        ("StringLike", "raw/*", "raw/", "raw"),
        ("StringLike", "*.png", "a/b\nc.png", "a.jpg"),
        ("StringLike", "r?w/", "row/", "rw/"),
        ("StringLike", "raw/${*}", "raw/*", "raw/1"),
        ("NumericEquals", "10", "10.0", "11"),
        ("NumericLessThan", 1.2, "1.1", "1.2"),
        ("NumericLessThanEquals", "1.2", 1.2, 1.3),
        ("NumericGreaterThan", "9", "10", "9"),
        ("NumericGreaterThanEquals", "10", 10, 9),
        ("DateEquals", "2026-11-24T00:00:00Z", "1795478400", "2026-11-25"),
        ("DateLessThan", "2026-11-24T10:00:00Z", "2026-11-24T10:59:59+01:00", "2026-11-24T10:00:00Z"),
        ("DateLessThanEquals", "2026-11-24", datetime(2026, 11, 24, tzinfo=UTC), "2026-11-24T00:00:01Z"),
        ("DateGreaterThan", "2026-11-24", "2026-11-25", "2026-11-24"),
        ("DateGreaterThanEquals", "2026-11-24", "2026-11-24", "2026-11-23"),
        ("Bool", "true", True, False),
        ("Bool", True, "TRUE", "false"),
        ("BinaryEquals", "aGk=", "aGk=", "aG8="),
        ("IpAddress", "10.0.0.0/8", "10.1.2.3", "11.1.2.3"),
        ("IpAddress", ["2001:db8::/32", "10.0.0.1"], "2001:db8::1", "10.0.0.2"),
        ("IpAddress", "0.0.0.0/0", "1.2.3.4", "::1"),
        ("ArnEquals", ARN, ARN, ARN + "2"),
        ("ArnEquals", "arn:aws:iam::*:role/*", ARN, "arn:aws:iam::123456789012:user/x"),
        ("ArnLike", "arn:*:iam::123456789012:role/*", ARN, "arn:aws:iam::999999999999:role/x"),
        ("ArnLike", "arn:aws:s3:::*", "arn:aws:s3:::a:b", "arn:aws:s3::1:a"),  # a wildcard stays in its part
    ],
)
def test_operators(operator: str, wanted: Any, matching: Any, other: Any) -> None:
    negated = operator.replace("String", "StringNot", 1).replace("Arn", "ArnNot", 1).replace("IpA", "NotIpA", 1)
    negated = {"NumericEquals": "NumericNotEquals", "DateEquals": "DateNotEquals"}.get(operator, negated)
    context_of = {"s3:prefix": matching}, {"s3:prefix": other}
    assert [holds(operator, wanted, context) for context in context_of] == [True, False]
    if negated != operator:
        assert [holds(negated, wanted, context) for context in context_of] == [False, True]


@pytest.mark.parametrize(
    ("operator", "when_absent"),
    [
        ("StringEquals", False),
        ("StringNotEquals", True),
        ("StringEqualsIfExists", True),
        ("StringNotEqualsIfExists", True),
        ("NumericLessThan", False),
        ("BoolIfExists", True),
        ("ForAllValues:StringEquals", True),
        ("ForAllValues:StringNotEquals", True),
        ("ForAnyValue:StringEquals", False),
        ("ForAnyValue:StringNotEquals", False),
        ("ForAllValues:StringEqualsIfExists", True),
    ],
)
def test_a_key_that_the_request_lacks(operator: str, when_absent: bool) -> None:
    wanted = "true" if operator.startswith("Bool") else "1"
    assert holds(operator, wanted, {}) is when_absent
    assert holds(operator, wanted, {"s3:prefix": None}) is when_absent


@pytest.mark.parametrize(("context", "null"), [({}, True), ({"s3:prefix": None}, True), ({"s3:prefix": "x"}, False)])
def test_null(context: dict[str, Any], null: bool) -> None:
    assert holds("Null", "true", context) is null
    assert holds("Null", False, context) is not null


@pytest.mark.parametrize(
    ("operator", "request_has", "holds_"),
    [
        ("ForAllValues:StringEquals", ["a", "b"], True),
        ("ForAllValues:StringEquals", ["a", "c"], False),
        ("ForAllValues:StringEquals", [], True),
        ("ForAnyValue:StringEquals", ["c", "b"], True),
        ("ForAnyValue:StringEquals", ["c"], False),
        ("ForAnyValue:StringEquals", [], False),
        ("ForAllValues:StringNotEquals", ["c", "d"], True),
        ("ForAllValues:StringNotEquals", ["a", "d"], False),
        ("ForAnyValue:StringNotEquals", ["a", "d"], True),
        ("ForAnyValue:StringNotEquals", ["a", "b"], False),
        ("ForAllValues:StringLike", ["a"], True),
    ],
)
def test_sets(operator: str, request_has: list[str], holds_: bool) -> None:
    assert holds(operator, ["a", "b"], {"aws:TagKeys": request_has}, "aws:TagKeys") is holds_


def test_keys_ignore_case() -> None:
    assert holds("StringEquals", "x", {"S3:PREFIX": "x"})


def test_variables_in_values() -> None:
    condition = Condition("StringLike", "s3:prefix", ["home/${aws:username}/*"])
    assert condition.match(Context(normalize({"s3:prefix": "home/ann/x", "aws:username": "ann"}), {})) is YES
    assert condition.match(Context(normalize({"s3:prefix": "home/bob/x", "aws:username": "ann"}), {})) is NO
    assert condition.match(Context(normalize({"s3:prefix": "home/ann/x", "aws:username": None}), {})) is NO


def test_a_value_of_the_question_that_is_none_is_an_error_of_the_question() -> None:
    with pytest.raises(ValueError, match="'old' is no value for NumericLessThan"):
        holds("NumericLessThan", "1.2", {"s3:prefix": "old"})


@pytest.mark.parametrize(
    ("context", "message"),
    [({"prefix": "x"}, "no condition key"), ({"s3:prefix": "x", "S3:Prefix": "y"}, "given twice")],
)
def test_a_context_that_is_none(context: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        normalize(context)
