"""`check_manifest` over the corpus of bad manifests: in a user's code, in the command line, at the door of a batch."""

import io
import json
import subprocess
import sys
import tracemalloc
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import example, given
from hypothesis import strategies as st
from rich.console import Console

from gtplus_cli.batch_input import check_input
from gtplus_runtime import handling, store
from gtplus_runtime.check import check_manifest
from gtplus_runtime.frozen import input_changes
from gtplus_runtime.handlers import request_submitted
from gtplus_runtime.manifest import inventory_line
from gtplus_runtime.objects import Objects
from gtplus_runtime.places import GROUND_TRUTH, Grant, Limits, Place
from gtplus_runtime.problems import Problem
from gtplus_runtime.report import Report
from gtplus_runtime.rules import Judge, Rules
from tests.unit.bad_manifests import CORPUS, OBJECTS, READS, Case, line
from tests.unit.fake_s3 import S3

MANIFEST = "raw/in.manifest"
URI = f"s3://data/{MANIFEST}"


def bucket(case: Case) -> S3:
    return S3({**OBJECTS, **case.objects, MANIFEST: case.content})


class Told(Report):
    """A report that has all problems, with their kinds."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Problem]] = []
        super().__init__(lambda kind, problem: self.told.append((kind, problem)))


def in_code(case: Case, s3: S3) -> Told:
    """As a user's own code calls it."""
    told = Told()
    check_manifest(
        URI,
        limits=case.limits,
        reads=READS,
        task_type=case.task_type,
        s3=s3,  # type: ignore[arg-type]
        report=told,
    )
    return told


@pytest.mark.parametrize("name", CORPUS)
def test_every_manifest_of_the_corpus_has_its_report(name: str) -> None:
    case = CORPUS[name]
    told = in_code(case, bucket(case))
    assert told.told == list(case.problems)
    assert told.good == case.good
    assert sum(told.counts.values()) == len(case.problems)
    json.dumps(told.answer()).encode()


def at_the_desk(case: Case, s3: S3, folder: Path) -> tuple[dict[str, Any], list[Any]]:
    """As the command line checks it: the report, and the file of all problems."""

    class Session:
        def client(self, name: str, config: Any) -> S3:
            return s3

    class Caller:
        session, as_json, out = Session(), True, Console(file=io.StringIO())

    rules = Rules(case.limits, READS, case.task_type)
    path = folder / "b.report.jsonl"
    report = check_input(Caller(), rules, URI, path)  # type: ignore[arg-type]
    assert report is not None
    return report.answer(), lines(path.read_bytes()) if path.exists() else []


class Table:
    """A batch that was submitted."""

    def __init__(self, task_type: str) -> None:
        self.facts: dict[str, Any] = {}
        self.counts: Mapping[str, int] | None = None
        self.advanced: list[Any] = []
        self.project = {"form": {"taskType": task_type, "containsPii": True}}

    def event(self, key: Any, seq: int) -> dict[str, Any]:
        return {"seq": seq, "round": 1, "data": {}}

    def head(self, key: Any) -> dict[str, Any]:
        form = {"input": URI, "output": "s3://data/labels/b/", "labelAttribute": "label"}
        batch = {
            "status": "Request submitted",
            "seq": 1,
            "handled": 0,
            "round": 1,
            "generation": 1,
            "actor": {},
            "since": "2026",
            "uid": "u",
        }
        return self.project if key.batch is None else {**batch, "form": form, "facts": self.facts}

    def read(self, places: Iterable[store.Place]) -> dict[store.Place, dict[str, Any]]:
        return {
            place: self.head(store.Key("p", "b")) if place[1] == store.HEAD else {"seq": 1, "round": 1, "data": {}}
            for place in places
        }

    def note(
        self, key: Any, generation: int, facts: Mapping[str, Any], objects: Mapping[str, int] | None, *, handling: int
    ) -> None:
        self.facts |= facts
        self.counts = objects

    def decide(self, key: Any, command: Any, decide: Any, *, generation: int, seen: Any) -> None:
        self.advanced.append((command.target, command.data))

    def join_transfers(self, provider: str, key: Any, seq: int) -> dict[Any, int]:
        return {}


def at_the_door(case: Case, s3: S3, monkeypatch: pytest.MonkeyPatch) -> Table:
    """As the handler of *Request submitted* checks it."""
    table = Table(case.task_type)
    grants = (Grant("data", ("raw/",), ("labels/",)),)
    monkeypatch.setattr(handling, "store", lambda: table)
    monkeypatch.setattr(handling.Batch, "place", Place("p", "g", case.limits, grants, "", "", {}))
    monkeypatch.setattr(handling.Batch, "objects", Objects(s3))  # type: ignore[arg-type]
    event = {"project": "p", "batch": "b", "seq": 1, "status": "Request submitted", "generation": 1, "execution": "a"}
    assert request_submitted.handler(event, None)["outcome"] == "done"
    return table


def lines(content: bytes) -> list[Any]:
    return [json.loads(each) for each in content.splitlines()]


@pytest.mark.parametrize("name", CORPUS)
def test_the_answer_is_the_same_in_code_at_the_desk_and_at_the_door(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CORPUS[name]
    s3 = bucket(case)
    expected = in_code(case, s3)
    told = [{"kind": kind, **problem._asdict()} for kind, problem in expected.told]
    assert at_the_desk(case, s3, tmp_path) == (expected.answer(), told)

    table = at_the_door(case, s3, monkeypatch)
    ours = {f"s3://data/{key}": content for key, content in s3.keys.items() if "gtplus/" in key}
    if not case.problems:
        assert table.advanced == []
        assert table.counts == {"total": case.good, "completed": 0, "failed": 0}
        assert table.facts["personalData"] == {"declared": True, "flags": {}}
        assert len(lines(ours[table.facts["inventory"]])) == case.good
        return
    ((status, data),) = table.advanced
    assert (status, data["reason"]) == ("Data transfer failed", expected.summary())
    report = json.loads(ours[data["report"]])
    assert lines(ours[report.pop("all")]) == told
    assert report == json.loads(json.dumps(expected.answer()))
    assert len(ours) == 2, "nothing is frozen"


# In a user's code


def test_a_file_is_checked_without_s3(tmp_path: Path) -> None:
    path = tmp_path / "in.manifest"
    path.write_bytes(line() + b"{\n" + line("raw/2.jpg"))
    report = check_manifest(path)
    assert (report.total, report.good, report.counts) == (3, 2, {"not JSON": 1})
    assert check_manifest(str(path)).answer() == check_manifest([path.read_bytes()]).answer() == report.answer()


@pytest.mark.parametrize("module", ["gtplus_runtime.check", "gtplus_runtime.places"])
def test_it_needs_no_boto3_where_nothing_is_in_s3(module: str) -> None:
    code = f"import sys, {module}; sys.exit('boto3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_a_client_nothing_in_s3_is_read() -> None:
    with pytest.raises(ValueError, match="give a client"):
        check_manifest(URI)


def test_without_prefixes_any_bucket_with_a_name_will_do() -> None:
    good = b'{"source-ref": "s3://faces/x/1.jpg"}\n{"source-ref": "s3://other.bucket/2.jpg"}\n'
    bad = b'{"source-ref": "s3://Not a bucket/1.jpg"}\n{"source-ref": "s3:///1.jpg"}\n{"source-ref": "s3://ab/1.jpg"}\n'
    report = check_manifest([good + bad + good.replace(b"x/1", b"x/3")])
    assert report.counts == {"no S3 URI": 3, "named twice": 1}


def test_a_good_line_is_kept_to_the_letter() -> None:
    text = '{"source-ref":"s3://data/raw/1.jpg" ,  "x":1.10, "big": 12345678901234567890123, "e": "\\u00e9"}'
    kept: list[Any] = []
    s3 = S3(OBJECTS)
    check_manifest([f"  {text}\r\n".encode()], s3=s3, keep=lambda *each: kept.append(each))  # type: ignore[arg-type]
    ((same, frozen),) = kept
    assert same == text
    assert inventory_line(same, frozen).startswith(text[:-1].encode() + b', "gtplus-frozen": {"size": 6')


@pytest.mark.parametrize("name", ["1", "1.heif", "photo.of.2026", "1.JPG", "1.tiff"])
def test_ground_truth_plus_takes_a_file_of_an_unknown_kind(name: str) -> None:
    assert check_manifest([line(f"raw/{name}")], task_type="image").counts == {}


@pytest.mark.parametrize(
    ("key", "kind"),
    [("raw/" + "x" * 1_017 + ".jpg", "no S3 URI"), ("raw/a/./1.jpg", "no S3 URI"), (".1.jpg", "wrong format")],
)
def test_a_key_that_cannot_be_is_refused_in_a_manifest_as_in_a_listing(key: str, kind: str) -> None:
    s3: Any = S3({key: b""})
    assert check_manifest([line(key)], task_type="image").counts == {kind: 1}
    assert check_manifest("s3://data/", task_type="image", s3=s3).counts == {kind: 1}


def test_a_missing_slash_of_a_prefix_is_hinted_at() -> None:
    s3 = S3(OBJECTS)
    report = check_manifest("s3://data/raw/digits", reads=READS, s3=s3)  # type: ignore[arg-type]
    assert [p.mend for p in report.problems] == ["upload it, or mend the location"]
    s3.keys["raw/digits/1.jpg"] = b""
    report = check_manifest("s3://data/raw/digits", reads=READS, s3=s3)  # type: ignore[arg-type]
    assert report.counts == {"unreadable": 1}
    assert [p.mend for p in report.problems] == ["objects lie under s3://data/raw/digits/ : a prefix ends in /"]


def test_an_input_outside_the_grants_is_not_even_read() -> None:
    s3 = S3({"secret/1.jpg": b""})
    report = check_manifest("s3://data/secret/", reads=(*READS, "s3://x/in/"), s3=s3)  # type: ignore[arg-type]
    assert report.counts == {"outside the prefixes": 1}
    assert report.problems[0].mend == "choose one under s3://data/raw/, s3://x/in/"
    assert not s3.calls


@pytest.mark.parametrize("source", ["s3://data/raw/", [line()]], ids=["a prefix", "a manifest"])
def test_a_bucket_in_another_region_is_told(source: Any) -> None:
    s3: Any = S3(OBJECTS, region="eu-west-1")
    assert check_manifest(source, s3=s3).problems == [
        Problem("batch", "data lie in us-east-1", "data: eu-west-1", "copy them to a bucket there")
    ]
    assert check_manifest(source, limits=GROUND_TRUTH, s3=s3).counts == {}
    for region in (None, "us-east-1"):
        s3.region = region
        assert check_manifest(source, s3=s3).counts == {}


def test_a_refusal_tells_the_region_of_a_bucket_too() -> None:
    class Refusing(S3):
        def head_bucket(self, Bucket: str) -> dict[str, Any]:
            headers = {"x-amz-bucket-region": "eu-west-1"}
            raise ClientError(
                {"Error": {"Code": "403"}, "ResponseMetadata": {"HTTPHeaders": headers}},  # type: ignore[typeddict-item]
                "HeadBucket",
            )

    assert Objects(Refusing({})).region_of("data") == "eu-west-1"  # type: ignore[arg-type]


def test_a_bucket_whose_region_s3_cannot_say_now_is_asked_again() -> None:
    """Unchecked it would pass."""

    class Failing(S3):
        def head_bucket(self, Bucket: str) -> dict[str, Any]:
            answer: Any = {"Error": {"Code": "503"}, "ResponseMetadata": {"HTTPStatusCode": 503}}
            raise ClientError(answer, "HeadBucket")

    with pytest.raises(ClientError, match="503"):
        Objects(Failing({})).region_of("data")  # type: ignore[arg-type]


def test_a_provider_of_any_format_gets_files_that_only_look_like_sequences() -> None:
    s3: Any = S3({"raw/1.json": b"{}"})
    for source in ("s3://data/raw/", [line("raw/1.json")]):
        assert check_manifest(source, limits=Limits(formats="any"), task_type="video", s3=s3).counts == {}


def test_a_prefix_is_an_input_with_everything_under_it() -> None:
    kept: list[str] = []
    s3 = S3({"raw/": b"", "raw/1.jpg": b"a", "raw/a/2.png": b"b", "raw/a/b.zip": b"c", "raw-not/3.jpg": b"d"})
    report = check_manifest(
        "s3://data/raw/",
        task_type="image",
        s3=s3,  # type: ignore[arg-type]
        keep=lambda text, _frozen: kept.append(json.loads(text)["source-ref"]),
    )
    assert kept == ["s3://data/raw/1.jpg", "s3://data/raw/a/2.png"]
    assert [p.place for p in report.problems] == ["s3://data/raw/a/b.zip"]


def test_a_prefix_of_frames_is_told_to_become_a_manifest() -> None:
    s3 = S3({"raw/seq.json": b"{}", "raw/1.mp4": b""})
    report = check_manifest("s3://data/raw/", task_type="video", s3=s3)  # type: ignore[arg-type]
    assert [p.mend for p in report.problems] == [
        "write a manifest that names the sequence files, and create the batch from it"
    ]


def test_the_frames_of_a_sequence_are_frozen_with_it() -> None:
    case = CORPUS["a good sequence"]
    kept: list[Any] = []

    def freeze(objects: dict[str, bytes]) -> Any:
        s3 = S3({**OBJECTS, **case.objects, **objects})
        kept.clear()
        check_manifest([case.content], task_type="video", s3=s3, keep=lambda *e: kept.append(e))  # type: ignore[arg-type]
        return kept[0][1]["frames"]

    before = freeze({})
    assert before["count"] == 2
    assert freeze({}) == before
    assert freeze({"raw/2.jpg": b"other pixels"}) != before


def frozen(s3: S3, content: bytes) -> str:
    """Freeze an inventory."""
    written: list[bytes] = []
    report = check_manifest(
        [content],
        reads=READS,
        task_type="video",
        s3=s3,  # type: ignore[arg-type]
        keep=lambda *each: written.append(inventory_line(*each)),
    )
    assert report.counts == {}
    s3.keys["labels/inventory.jsonl"] = b"".join(written)
    return "s3://data/labels/inventory.jsonl"


def test_what_changes_after_the_freeze_is_found_by_name() -> None:
    names = [f"raw/{number:03}.mp4" for number in range(60)]
    s3 = S3(dict.fromkeys(names, b"film") | CORPUS["a good sequence"].objects | OBJECTS)
    inventory = frozen(s3, b"".join(map(line, [*names, "raw/seq.json"])) + b'{"source": "inline"}\n')

    def changes() -> dict[str, Any]:
        return input_changes(Objects(s3), inventory, READS)  # type: ignore[arg-type]

    assert changes() == {"changed": 0, "missing": 0, "examples": []}
    s3.keys["raw/007.mp4"] = b"another film"
    del s3.keys["raw/008.mp4"]
    expected = ["s3://data/raw/007.mp4", "s3://data/raw/008.mp4"]
    assert changes() == {"changed": 1, "missing": 1, "examples": expected}
    s3.keys["raw/2.jpg"] = b"another frame"
    assert changes()["changed"] == 2
    assert changes()["examples"][1] == "s3://data/raw/seq.json"


def test_text_that_looks_personal_is_flagged_and_not_refused() -> None:
    text = b'{"source": "write to jo@example.com"}\n{"source": "card 4111 1111 1111 1111"}\n{"source": "in 2026"}\n'
    report = check_manifest([text], task_type="text")
    assert report.counts == {}
    assert report.flags == {"looks like an e-mail address": 1, "looks like a payment card number": 1}


def test_ground_truth_takes_ten_sequences_and_images_of_40_megabytes() -> None:
    names = [f"raw/{number}.json" for number in range(11)]
    content = CORPUS["a good sequence"].objects["raw/seq.json"]
    s3 = S3({**OBJECTS, **dict.fromkeys(names, content)})
    manifest = [b"".join(map(line, names))]
    report = check_manifest(manifest, limits=GROUND_TRUTH, task_type="video", s3=s3)  # type: ignore[arg-type]
    assert report.counts == {"too many sequences": 1}
    s3.keys["raw/1.jpg"] = bytes(40_000_001)
    report = check_manifest([line()], limits=GROUND_TRUTH, task_type="image", s3=s3)  # type: ignore[arg-type]
    assert report.problems[0].rule == "a file has at most 40,000,000 bytes"


# Whatever comes, at a memory that has a bound


def test_a_line_of_64_megabytes_and_many_lines_do_not_fill_the_memory() -> None:
    def manifest() -> Any:
        yield b'{"source-ref": "s3://data/raw/'
        for _ in range(64):
            yield b"x" * (1 << 20)
        yield b'"}\n'
        for start in range(0, 30_000, 10_000):
            yield b"".join(line(f"raw/{number:08}.jpg") for number in range(start, start + 10_000))

    tracemalloc.start()
    try:
        report = check_manifest(manifest(), reads=READS, task_type="image", limits=Limits(max_files=20_000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert report.counts == {"line too long": 1, "too many files": 1}
    assert peak < 24 << 20


NAMES = st.sampled_from(["source", "source-ref", "gtplus-frozen", "$x", "seq-no", "prefix", "frames", "frame-no"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6) | NAMES, inner, max_size=4),
    max_leaves=8,
)
URIS = st.sampled_from(
    ["s3://data/raw/1.jpg", "s3://data/raw/seq.json", "s3://data/raw/../1", "s3://", "s3://data/raw/"]
)
ENTRIES = JSON | st.dictionaries(NAMES, URIS | JSON, max_size=3)
SPOILED = st.tuples(ENTRIES.map(json.dumps), st.integers(0, 200), st.sampled_from(list('{}[]",:\\\n\r \x00é')))


@given(
    st.dictionaries(NAMES | st.text(max_size=4), URIS | JSON, max_size=3),
    st.sampled_from([None, "image", "text", "video", "audio", "3d-point-cloud", "custom"]),
    st.sampled_from([Limits(), GROUND_TRUTH, Limits(formats="any")]),
    st.sampled_from([None, READS]),
    st.booleans(),
)
@example({"source-ref": "s3://data/raw/1.jpg", "$x": 1}, "image", GROUND_TRUTH, READS, True)
@example({"source-ref": "s3://data/raw/1.jpg", "x": "y" * 20_001}, "image", GROUND_TRUTH, READS, True)
@example({"source": "y" * 20_001}, "text", GROUND_TRUTH, READS, True)
@example({"source-ref": "s3://data/raw/" + "é" * 600 + ".jpg"}, "image", Limits(), READS, False)
def test_what_is_taken_at_once_is_what_the_rules_find_nothing_wrong_with(
    entry: dict[str, Any], task_type: str | None, limits: Limits, reads: tuple[str, ...] | None, ascii_only: bool
) -> None:
    judge = Judge(Rules(limits, reads, task_type))
    judge.line(1, "", {"source-ref": "s3://data/raw/1.jpg"})  # now the bucket is known
    text = json.dumps(entry, ensure_ascii=ascii_only)
    if judge.is_plain(text, json.loads(text)):
        assert judge.line(1, text, json.loads(text)) is None


@given(
    st.lists(SPOILED, max_size=6),
    st.binary(max_size=30),
    st.sampled_from(["image", "text", "video", "audio", "3d-point-cloud", "custom", None]),
    st.sampled_from([Limits(), GROUND_TRUTH, Limits(max_files=2, formats="any")]),
    JSON,
)
def test_whatever_is_in_a_file_it_is_answered(
    spoiled: list[tuple[str, int, str]], tail: bytes, task_type: str | None, limits: Limits, sequence: Any
) -> None:
    text = "\n".join(each[:at] + character + each[at:] for each, at, character in spoiled)
    content = text.encode("utf-8", "surrogatepass") + b"\n" + tail
    s3 = S3({**OBJECTS, "raw/seq.json": json.dumps(sequence).encode()})
    kept: list[Any] = []
    report = check_manifest(
        [content],
        limits=limits,
        reads=READS,
        task_type=task_type,
        s3=s3,  # type: ignore[arg-type]
        keep=lambda *each: kept.append(each),
    )
    assert len(kept) == report.good <= report.total
    json.dumps(report.answer()).encode()
    for each in kept:
        json.loads(inventory_line(*each))
