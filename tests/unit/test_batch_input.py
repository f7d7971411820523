"""The input of a batch at the desk: what is taken of it becomes a manifest, and what is bad is refused or left out."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from rich.console import Console

from gtplus_cli.batch_input import Project, prepare
from gtplus_cli.selection import Condition, Selection
from gtplus_runtime.places import Limits
from gtplus_runtime.problems import Refused
from gtplus_runtime.rules import Rules
from tests.unit.bad_manifests import line
from tests.unit.fake_s3 import S3

READS = ("s3://data/other/", "s3://data/raw/")


class Desk:
    """A caller, and the folder where it works."""

    def __init__(self, s3: S3) -> None:
        self.s3, self.as_json = s3, False
        self.said = io.StringIO()
        self.out = Console(file=self.said, width=200)
        self.session = self

    def client(self, name: str, config: Any) -> S3:
        return self.s3

    def prepare(self, source: str, selection: Selection | None = None, drop: bool = False, **limits: int) -> str:
        project = Project.__new__(Project)
        project.deployed, project.reads = True, READS
        project.rules = Rules(Limits(**limits), READS, "image")
        return prepare(self, project, "b", source, selection, drop_bad_lines=drop)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def desk(**more: bytes) -> Desk:
    images = {f"raw/x/{number}.jpg": b"pixels" for number in range(6)}
    return Desk(S3({**images, "raw/m.manifest": b"".join(map(line, images)), **more}))


def taken(desk: Desk) -> list[str]:
    return [json.loads(each)["source-ref"] for each in desk.s3.keys["raw/b.manifest"].splitlines()]


@pytest.mark.parametrize("source", ["s3://data/raw/x/", "s3://data/raw/m.manifest"])
def test_a_good_input_is_used_as_it_is(source: str, here: Path) -> None:
    made = desk()
    assert made.prepare(source) == source
    assert made.prepare(source, drop=True) == "s3://data/raw/b.manifest"
    assert len(taken(made)) == 6
    assert list(here.iterdir()) == []


def test_what_is_bad_under_a_prefix_is_left_out_and_reported(here: Path) -> None:
    made = desk()
    made.s3.keys["raw/x/left.zip"] = b""
    with pytest.raises(Refused, match="--drop-bad-lines leaves the bad ones out"):
        made.prepare("s3://data/raw/x/")
    assert made.prepare("s3://data/raw/x/", drop=True) == "s3://data/raw/b.manifest"
    assert len(taken(made)) == 6
    (reported,) = [json.loads(each) for each in (here / "b.report.jsonl").read_text().splitlines()]
    assert (reported["kind"], reported["place"]) == ("wrong format", "s3://data/raw/x/left.zip")
    assert "1 bad ones are left out" in made.said.getvalue()


def test_a_line_is_taken_to_the_letter() -> None:
    made = desk()
    text = '{ "camera" : "north" , "source-ref":"s3://data/raw/x/1.jpg", "n": 1.50 }'
    made.s3.keys["raw/m.manifest"] = text.encode() + b"\r\n" + line("raw/x/2.jpg")
    made.prepare("s3://data/raw/m.manifest", Selection([Condition.parse("camera=north")]))
    assert made.s3.keys["raw/b.manifest"] == text.encode() + b"\n"


def test_what_is_wrong_with_the_whole_is_not_left_out(here: Path) -> None:
    made = desk()
    with pytest.raises(Refused) as refused:
        made.prepare("s3://data/raw/m.manifest", drop=True, max_files=5)
    assert "drop-bad-lines" not in str(refused.value)
    assert "raw/b.manifest" not in made.s3.keys


def test_an_input_of_which_nothing_is_good_is_no_batch() -> None:
    made = desk()
    made.s3.keys["raw/m.manifest"] = b"{\n"
    with pytest.raises(Refused, match="1 × not JSON"):
        made.prepare("s3://data/raw/m.manifest", drop=True)


def test_the_lines_that_are_not_taken_may_be_bad() -> None:
    made = desk()
    made.s3.keys["raw/m.manifest"] = line("raw/x/1.jpg", camera="north") + line("raw/gone.jpg", camera="south")
    assert made.prepare("s3://data/raw/m.manifest", Selection([Condition.parse("camera=north")]))
    assert taken(made) == ["s3://data/raw/x/1.jpg"]


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ("s3://data/raw/x/", "a part is taken of a manifest"),
        ("s3://data/labels/m", "must lie in a prefix that this project reads"),
        ("s3://data/raw/none", "must be there and readable"),
        ("s3://data/raw/403 AccessDenied", "must be there and readable"),
    ],
)
def test_a_part_is_taken_of_a_manifest_of_the_project(source: str, rule: str) -> None:
    with pytest.raises(Refused) as refused:
        desk().prepare(source, Selection(sample=1))
    assert [problem.rule for problem in refused.value.problems] == [rule]


def test_the_manifest_of_who_may_not_write_it_is_left_here(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = desk()

    def refuse(**_named: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "PutObject")

    monkeypatch.setattr(made.s3, "put_object", refuse)
    with pytest.raises(Refused, match="AccessDenied") as refused:
        made.prepare("s3://data/raw/m.manifest", Selection(sample=2))
    assert refused.value.problems[0].rule == "may write s3://data/raw/b.manifest"
    assert len((here / "b.manifest").read_bytes().splitlines()) == 2


def test_an_input_that_is_not_there_is_refused_whatever_its_name() -> None:
    with pytest.raises(Refused, match="was not created"):
        desk().prepare("s3://data/raw/AccessDenied-403")


def test_who_may_not_read_the_input_is_told_that_it_was_not_checked() -> None:
    made = Desk(S3({}, absent="AccessDenied"))
    assert made.prepare("s3://data/raw/m.manifest") == "s3://data/raw/m.manifest"
    assert "the input was not checked here" in made.said.getvalue()
    with pytest.raises(Refused, match="was not created"):
        made.prepare("s3://data/raw/m.manifest", drop=True)
