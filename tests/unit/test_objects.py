"""The objects of a project and its place: what is found is what is there, by few calls, and refusals have words."""

import json
import re
from typing import Any
from unittest import mock

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from gtplus_runtime import aws, objects, places
from gtplus_runtime.objects import Objects, Unreadable
from gtplus_runtime.places import Grant, Limits, Place, find_place, split_uri
from gtplus_runtime.store import Busy
from tests.unit.fake_s3 import S3, etag

PLACE = Place(
    "p", "g", Limits(), (Grant("data", ("raw/", "more/"), ("labels/",)), Grant("x", ("in/",), ())), "", "", {}
)


def keys(*names: str) -> dict[str, bytes]:
    return dict.fromkeys(names, b"x")


NAMES = st.sampled_from([f"{folder}{name}" for folder in ("", "raw/", "raw/a/", "raw/b/") for name in "abcdefgh"])


@given(st.sets(NAMES), st.lists(NAMES, unique=True), st.integers(1, 4), st.integers(1, 6))
def test_what_is_looked_up_is_found_if_it_is_there_however_it_lies(
    there: set[str], asked: list[str], page: int, dense: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(objects, "DENSE", dense)
        s3 = S3({name: name.encode() for name in there}, page)
        found = Objects(s3).look_up("data", asked, ("raw/", "raw/b/"))  # type: ignore[arg-type]
    assert found.keys() == there & set(asked)
    assert all(what.etag == etag(key.encode()) for key, what in found.items())


FOLDER = keys(*(f"raw/{number:05}" for number in range(5_000)))


def test_a_folder_of_thousands_is_looked_up_by_listing_it() -> None:
    s3 = S3(FOLDER)
    assert len(Objects(s3).look_up("data", [*s3.keys, "raw/none"])) == 5_000  # type: ignore[arg-type]
    # The first key is asked for alone: the listing begins after it.
    assert (s3.listed, s3.headed) == (5, 1)


def test_a_few_objects_of_a_folder_of_thousands_are_looked_up_one_by_one() -> None:
    s3 = S3(FOLDER)
    assert len(Objects(s3).look_up("data", ["raw/04000", "raw/04001"])) == 2  # type: ignore[arg-type]
    assert (s3.listed, s3.headed) == (0, 2)


def test_objects_that_lie_thin_cost_hardly_a_listing() -> None:
    s3 = S3(keys(*(f"raw/{number:06}" for number in range(100_000))))
    thin = [f"raw/{number:06}" for number in range(0, 100_000, 100)]  # ten on each page
    assert len(Objects(s3).look_up("data", thin)) == 1_000  # type: ignore[arg-type]
    assert s3.headed > 900
    assert s3.listed < 10


def test_a_dense_part_of_a_thin_folder_is_listed_from_where_it_begins() -> None:
    s3 = S3(keys(*(f"raw/{number:06}" for number in range(50_000))))
    wanted = [f"raw/{number:06}" for number in (*range(0, 40_000, 2_000), *range(40_000, 43_000))]
    assert len(Objects(s3).look_up("data", wanted)) == 3_020  # type: ignore[arg-type]
    assert s3.listed < 10
    assert s3.headed < 200


def test_objects_in_thousands_of_folders_are_found_by_one_listing() -> None:
    s3 = S3(keys(*(f"raw/scene-{number:04}/{name}.jpg" for number in range(2_000) for name in "ab")))
    assert len(Objects(s3).look_up("data", list(s3.keys))) == 4_000  # type: ignore[arg-type]
    assert (s3.listed, s3.headed) == (4, 1)


def test_a_listing_never_spans_two_granted_prefixes() -> None:
    """A role may list the prefixes that were granted, and not the folder that holds them."""
    s3 = S3(keys(*(f"{prefix}{number:03}" for prefix in ("a/x/", "a/y/", "a/secret/") for number in range(100))))
    listed = []
    paginate = s3.paginate
    s3.paginate = lambda **named: listed.append(named["Prefix"]) or paginate(**named)  # type: ignore[method-assign]
    wanted = [key for key in s3.keys if "secret" not in key]
    assert len(Objects(s3).look_up("data", wanted, ("a/x/", "a/y/"))) == 200  # type: ignore[arg-type]
    assert listed == ["a/x/", "a/y/"]


def test_the_version_is_known_where_an_object_is_asked_for_alone() -> None:
    found = Objects(S3(keys("raw/1"), versioned=True)).find("s3://data/raw/1")  # type: ignore[arg-type]
    assert found is not None
    assert found.frozen()["version"] == "v1"


@pytest.mark.parametrize("code", ["404", "403", "NoSuchKey", "AccessDenied"])
def test_what_s3_does_not_show_is_not_there(code: str) -> None:
    s3 = S3({}, absent=code)
    assert Objects(s3).find("s3://data/raw/1") is None  # type: ignore[arg-type]
    with pytest.raises(Unreadable, match="s3://data/raw/1"):
        list(Objects(s3).chunks("s3://data/raw/1"))  # type: ignore[arg-type]
    assert Objects(s3).read_all(["s3://data/raw/1"]) == {}  # type: ignore[arg-type]


def test_a_fault_of_s3_is_no_missing_object() -> None:
    s3 = S3({}, absent="503")
    with pytest.raises(ClientError):
        Objects(s3).find("s3://data/raw/1")  # type: ignore[arg-type]
    with pytest.raises(ClientError):
        list(Objects(s3).chunks("s3://data/raw/m.jsonl"))  # type: ignore[arg-type]


# The place


def test_limits_that_a_newer_release_wrote_are_read_as_far_as_they_are_known() -> None:
    assert Limits.of({**Limits()._asdict(), "max_smells": 3, "max_files": 7}) == Limits(max_files=7)


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


def test_what_is_kept_bears_its_hash_so_that_no_other_content_takes_its_place() -> None:
    s3 = S3({})
    ours = Objects(s3)  # type: ignore[arg-type]
    first, other = ours.keep_lines("s3://data/b/list.jsonl", [1]), ours.keep_lines("s3://data/b/list.jsonl", [2])
    assert ours.keep_lines("s3://data/b/list.jsonl", [1]) == first != other
    assert re.fullmatch(r"s3://data/b/list-[0-9a-f]{16}\.jsonl", first)
    assert [s3.keys[split_uri(uri)[1]] for uri in (first, other)] == [b"1\n", b"2\n"]


class TestWhatIsReplaced:
    URI = "s3://data/notice.json"

    def replace(self, s3: S3, value: int) -> int:
        """What lies there afterwards; the greater one stays."""
        Objects(s3).replace_json(self.URI, value, lambda there: there > value)  # type: ignore[arg-type]
        return int(json.loads(s3.keys["notice.json"]))

    def test_the_later_one_stays_in_whatever_order_they_come(self) -> None:
        s3 = S3({})
        assert [self.replace(s3, value) for value in (2, 1, 3)] == [2, 2, 3]

    @pytest.mark.parametrize("there", [{}, {"notice.json": b"1"}], ids=["nothing there", "one there"])
    @pytest.mark.parametrize(("other", "after"), [(b"9", 9), (b"1", 5), (b"no JSON", 5)])
    def test_who_comes_between_is_seen(
        self, there: dict[str, bytes], other: bytes, after: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        s3 = S3(there)
        put, others = s3.put_object, [other]

        def overtaken(**call: Any) -> dict[str, str]:
            if others:
                s3.keys["notice.json"] = others.pop()
            return put(**call)

        monkeypatch.setattr(s3, "put_object", overtaken)
        assert self.replace(s3, 5) == after

    def test_one_that_is_known_is_not_read_while_it_lies_there(self) -> None:
        s3 = S3({"notice.json": b"1"})
        ours = Objects(s3)  # type: ignore[arg-type]
        known = f'"{etag(b"1")}"'
        last = ours.replace_json(self.URI, 2, lambda there: there > 2, known)
        assert (s3.keys["notice.json"], s3.calls["get"]) == (b"2", 0)
        assert ours.replace_json(self.URI, 1, lambda there: there > 1, known) == last, "another has come since"
        assert s3.keys["notice.json"] == b"2"

    def test_where_others_come_between_every_time_it_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        s3 = S3({"notice.json": b"1"})
        error = ClientError({"Error": {"Code": "ConditionalRequestConflict"}}, "PutObject")
        monkeypatch.setattr(s3, "put_object", mock.Mock(side_effect=error))
        with pytest.raises(Busy, match="too many at once"):
            self.replace(s3, 5)

    @pytest.mark.parametrize("call", ["get_object", "put_object"])
    def test_a_refusal_is_passed_on(self, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
        s3 = S3({})
        error = ClientError({"Error": {"Code": "AccessDenied"}}, call)
        monkeypatch.setattr(s3, call, mock.Mock(side_effect=error))
        with pytest.raises(ClientError, match="AccessDenied"):
            self.replace(s3, 5)
