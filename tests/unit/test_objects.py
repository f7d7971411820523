"""The objects of a project and its place: what is found is what is there, by few calls, and refusals have words."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from gtplus_runtime import aws, places
from gtplus_runtime.objects import Objects
from gtplus_runtime.places import Grant, Limits, Place, find_place, split_uri
from gtplus_runtime.problems import Problem

AT = datetime(2026, 11, 24, tzinfo=UTC)
PLACE = Place(
    "p", "g", Limits(), (Grant("data", ("raw/", "more/"), ("labels/",)), Grant("x", ("in/",), ())), "", "", {}
)


class S3:
    """A bucket, with pages as small as wanted, that counts its calls."""

    class exceptions:
        ClientError = ClientError

    def __init__(self, keys: dict[str, bytes], page: int = 1_000, absent: str = "404") -> None:
        self.keys, self.page, self.absent = keys, page, absent
        self.listed = self.headed = 0

    def head_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        self.headed += 1
        if Key not in self.keys:
            raise ClientError({"Error": {"Code": self.absent}}, "HeadObject")
        return {"ContentLength": len(self.keys[Key]), "ETag": f'"{Key}"', "LastModified": AT}

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        if Key not in self.keys:
            raise ClientError({"Error": {"Code": self.absent}}, "GetObject")
        return {"Body": self}

    def get_paginator(self, name: str) -> "S3":
        assert name == "list_objects_v2"
        return self

    def paginate(self, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:
        keys = sorted(key for key in self.keys if key.startswith(Prefix))
        for start in range(0, max(len(keys), 1), self.page):
            self.listed += 1
            found = keys[start : start + self.page]
            contents = [{"Key": k, "Size": len(self.keys[k]), "ETag": f'"{k}"', "LastModified": AT} for k in found]
            yield {"Contents": contents} if contents else {}


def keys(*names: str) -> dict[str, bytes]:
    return dict.fromkeys(names, b"x")


NAMES = st.sampled_from([f"{folder}{name}" for folder in ("", "raw/", "raw/a/", "raw/b/") for name in "abcdefgh"])


@given(st.sets(NAMES), st.lists(NAMES, unique=True), st.integers(1, 4))
def test_what_is_looked_up_is_found_if_it_is_there_however_it_lies(
    there: set[str], asked: list[str], page: int
) -> None:
    objects = Objects(S3(keys(*there), page))  # type: ignore[arg-type]
    found = objects.look_up("data", asked)
    assert found.keys() == there & set(asked)
    assert all(what.etag == key for key, what in found.items())


def test_a_folder_of_thousands_is_looked_up_by_listing_it() -> None:
    s3 = S3(keys(*(f"raw/{number:05}" for number in range(5_000))))
    assert len(Objects(s3).look_up("data", [*s3.keys, "raw/none"])) == 5_000  # type: ignore[arg-type]
    assert (s3.listed, s3.headed) == (5, 0)


def test_a_few_objects_of_a_folder_of_thousands_are_looked_up_one_by_one() -> None:
    s3 = S3(keys(*(f"raw/{number:05}" for number in range(5_000))))
    assert len(Objects(s3).look_up("data", ["raw/04000", "raw/04001"])) == 2  # type: ignore[arg-type]
    assert (s3.listed, s3.headed) == (1, 2)


@pytest.mark.parametrize("code", ["404", "403", "NoSuchKey", "AccessDenied"])
def test_what_s3_does_not_show_is_not_there(code: str) -> None:
    s3 = S3({}, absent=code)
    assert Objects(s3).find("s3://data/raw/1") is None  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError, match="s3://data/raw/1"):
        list(Objects(s3).chunks("s3://data/raw/1"))  # type: ignore[arg-type]


def test_a_fault_of_s3_is_no_missing_object() -> None:
    s3 = S3({}, absent="503")
    with pytest.raises(ClientError):
        Objects(s3).find("s3://data/raw/1")  # type: ignore[arg-type]
    with pytest.raises(ClientError):
        Objects(s3).check_input("s3://data/raw/m.jsonl", PLACE)  # type: ignore[arg-type]


def check(uri: str, s3: S3) -> tuple[dict[str, int], list[Problem]]:
    inventory = Objects(s3).check_input(uri, PLACE)  # type: ignore[arg-type]
    return dict(inventory.counts), inventory.problems


def test_a_prefix_is_an_input_with_everything_under_it() -> None:
    inventory = Objects(S3(keys("raw/", "raw/1", "raw/a/2", "raw-not/3"))).check_input("s3://data/raw/", PLACE)  # type: ignore[arg-type]
    assert [entry["source-ref"] for entry in inventory.lines] == ["s3://data/raw/1", "s3://data/raw/a/2"]


def test_an_input_outside_the_grants_is_not_even_read() -> None:
    s3 = S3(keys("secret/1"))
    counts, (problem,) = check("s3://data/secret/", s3)
    assert counts == {"outside the prefixes": 1}
    assert problem.mend == "choose one under s3://data/raw/, s3://data/more/, s3://x/in/"
    assert s3.listed == 0


def test_a_manifest_that_is_not_there_is_reported() -> None:
    counts, (problem,) = check("s3://data/raw/m.jsonl", S3({}, absent="NoSuchKey"))
    assert counts == {"unreadable": 1}
    assert problem.rule == "must be there and readable"


# The place


@pytest.mark.parametrize(
    ("side", "uri", "inside"),
    [
        ("read", "s3://data/raw/1", True),
        ("read", "s3://data/raw/", True),
        ("read", "s3://data/more/x/y", True),
        ("read", "s3://x/in/1", True),
        ("read", "s3://data/raw", False),
        ("read", "s3://data/raw-secret/1", False),
        ("read", "s3://data/labels/1", False),
        ("read", "s3://x/raw/1", False),
        ("read", "s3://data2/raw/1", False),
        ("write", "s3://data/labels/1/", True),
        ("write", "s3://data/raw/1/", False),
        ("write", "s3://x/in/1/", False),
    ],
)
def test_a_location_lies_in_a_granted_prefix_or_is_a_problem(side: str, uri: str, inside: bool) -> None:
    assert (PLACE.check_uri("input", uri, side) == []) == inside


def test_a_uri_is_split_at_its_first_slash() -> None:
    assert split_uri("s3://data/raw//a/") == ("data", "raw//a/")
    assert split_uri("s3://data") == ("data", "")


VALUE = json.dumps(
    {
        "project": "p",
        "provider": "g",
        "limits": Limits()._asdict(),
        "grants": [{"bucket": "data", "read": ["raw/"], "write": ["labels/"]}],
        "dataRoleArn": "d",
        "runtimeRoleArn": "r",
        "settings": {"maxRounds": 3},
    }
)


class Ssm:
    """Parameters."""

    class exceptions:
        class ParameterNotFound(Exception):
            pass

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.values: dict[str, str] = {}

    def get_parameter(self, Name: str) -> dict[str, Any]:
        self.asked.append(Name)
        if Name not in self.values:
            raise self.exceptions.ParameterNotFound
        return {"Parameter": {"Value": self.values[Name]}}


@pytest.fixture
def ssm(monkeypatch: pytest.MonkeyPatch) -> Ssm:
    made = Ssm()
    monkeypatch.setattr(places, "_cache", {})
    monkeypatch.setattr(aws, "client", lambda name: made)
    monkeypatch.setenv("GTPLUS_PROJECTS", "/gtplus/w/projects")
    return made


def test_a_place_is_read_from_the_projects_parameter_and_kept_for_a_while(
    ssm: Ssm, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(places.time, "monotonic", lambda: now)
    ssm.values["/gtplus/w/projects/p"] = VALUE
    place = find_place("p")
    assert place == Place("p", "g", Limits(), (Grant("data", ("raw/",), ("labels/",)),), "d", "r", {"maxRounds": 3})
    assert find_place("p") is place
    assert ssm.asked == ["/gtplus/w/projects/p"]
    now += 31
    find_place("p")
    assert len(ssm.asked) == 2


def test_a_project_that_is_deployed_a_moment_later_is_found(ssm: Ssm) -> None:
    assert find_place("p") is None
    ssm.values["/gtplus/w/projects/p"] = VALUE
    assert find_place("p") is not None
