"""Handlers that are overtaken: what later handlers need is kept, whatever comes between."""

import io
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest
from rich.console import Console

from gtplus_cli.render import show_quality
from gtplus_runtime import handling, store
from gtplus_runtime.commands import Superseded
from gtplus_runtime.delivery import try_delivery
from gtplus_runtime.found import Found
from gtplus_runtime.handlers import accepted, ready_for_review, rejected, review_complete
from gtplus_runtime.labels import Coverage
from gtplus_runtime.objects import Unreadable
from gtplus_runtime.places import Grant, Limits, Place
from gtplus_runtime.store import Key

EVENT = {"project": "p", "batch": "b", "seq": 7, "status": "Accepted", "generation": 1, "execution": "arn"}
PLACE = Place("p", "GroundTruthPlus", Limits(), (Grant("data", ("raw/",), ("labels/",)),), "", "", {"maxRounds": 3})
MANIFEST = b'{"source-ref": "s3://data/raw/1", "label": 7}\n'


class Table:
    """A batch whose head has moved on since the event that is handled, or has not."""

    def __init__(self, head: dict[str, Any]) -> None:
        self.now = head
        self.event: dict[str, Any] = {"seq": 7, "round": 1, "data": {"reason": "blurred"}}
        self.history: list[dict[str, Any]] = []
        self.advanced: list[str] = []

    def read(self, places: Iterable[store.Place]) -> dict[store.Place, dict[str, Any]]:
        return {place: self.now if place[1] == store.HEAD else self.event for place in places}

    def events(self, key: Key) -> list[dict[str, Any]]:
        return self.history

    def note(
        self,
        key: Key,
        generation: int,
        facts: Mapping[str, Any],
        objects: Mapping[str, int] | None = None,
        *,
        handling: int | None = None,
        seq: int | None = None,
    ) -> None:
        too_late = handling is not None and handling <= self.now["handled"]
        if generation != self.now["generation"] or too_late or seq not in (None, self.now["seq"]):
            raise Superseded("a newer generation, a handled event, or another one")
        self.now["facts"] = {**self.now["facts"], **facts}
        self.now["objects"] = {**self.now.get("objects", {}), **(objects or {})}

    def decide(
        self, key: Key, command: Any, decide: Callable[[Any], Any], *, generation: int, seen: store.Seen
    ) -> None:
        self.advanced += [event.status for event in decide(self.now)]


class S3:
    """Has the manifest and the inventory, and takes what is written."""

    def __init__(self) -> None:
        self.written: dict[str, Any] = {}

    def chunks(self, uri: str) -> list[bytes]:
        return [MANIFEST]

    def lines(self, uri: str) -> list[dict[str, Any]]:
        return [{"source-ref": "s3://data/raw/1"}]

    def write_json(self, uri: str, value: Any) -> str:
        return uri

    def replace_json(self, uri: str, value: Any, stays: Any, tag: str) -> str:
        return f"after {tag}"

    def keep_lines(self, uri: str, entries: Any) -> str:
        self.written[uri] = entries
        return uri


@pytest.fixture
def s3() -> S3:
    return S3()


@pytest.fixture
def table(s3: S3, monkeypatch: pytest.MonkeyPatch) -> Table:
    monkeypatch.setenv("GTPLUS_WORKSPACE", "labeling")
    sha256 = Coverage([MANIFEST], "label", ["s3://data/raw/1"]).sha256
    made = Table(
        {
            "uid": "u",
            "status": "Accepted",
            "seq": 7,
            "handled": 6,
            "round": 1,
            "generation": 1,
            "since": "2026-11-24T10:00:00Z",
            "actor": {"id": "rev", "name": "rev"},
            "form": {"output": "s3://data/labels/b/", "labelAttribute": "label"},
            "facts": {"inventory": "i", "manifest": "m", "labels": {"sha256": sha256}},
        }
    )
    monkeypatch.setattr(handling, "store", lambda: made)
    monkeypatch.setattr(handling.Batch, "place", PLACE)
    monkeypatch.setattr(handling.Batch, "objects", s3)
    return made


def test_an_accepted_batch_goes_on_to_its_delivery(table: Table) -> None:
    assert accepted.handler(EVENT, None)["outcome"] == "done"
    assert table.advanced == ["Ready for delivery"]


def test_what_was_accepted_is_kept_also_where_the_provider_reports_ready_for_delivery_first(table: Table) -> None:
    """The handler of that status holds the delivery against it."""
    table.now |= {"status": "Ready for delivery", "seq": 8}
    assert accepted.handler(EVENT, None)["outcome"] == "superseded"
    assert table.advanced == []
    assert table.now["facts"]["accepted"]["manifest"] == "m"


def test_a_manifest_that_was_changed_after_its_review_is_not_accepted(table: Table) -> None:
    table.now["facts"]["labels"] = {"sha256": "another"}
    with pytest.raises(ValueError, match="changed after its review"):
        accepted.handler(EVENT, None)
    assert "restore the reviewed version" in table.now["facts"]["problem"]
    assert table.advanced == []


def test_the_next_handler_is_told_which_notice_is_the_last(table: Table) -> None:
    table.now["noticeTag"] = "the last"
    assert accepted.handler(EVENT, None) == {"outcome": "done", "noticeTag": "after the last"}


def test_a_rejected_batch_is_sent_for_rework(table: Table) -> None:
    table.now |= {"status": "Rejected"}
    assert rejected.handler(EVENT, None)["outcome"] == "done"
    assert table.advanced == ["Sent for rework"]


def test_the_rework_list_is_that_of_the_rejected_round_also_where_an_operator_sends_for_rework_first(
    table: Table, s3: S3
) -> None:
    """The handler of that status puts it into the work order."""
    table.now |= {"status": "Sent for rework", "seq": 8, "round": 2}
    assert rejected.handler(EVENT, None)["outcome"] == "superseded"
    uri = "s3://data/labels/b/gtplus/round-1/rework.jsonl"
    assert table.now["facts"]["rework"] == uri
    assert s3.written[uri] == [{"source-ref": "s3://data/raw/1", "reason": "blurred"}]


@pytest.mark.parametrize("reviewed", [False, True], ids=["without a review", "reviewed"])
def test_an_object_that_is_a_text_of_its_own_is_named_as_such_in_the_rework_list(
    table: Table, s3: S3, monkeypatch: pytest.MonkeyPatch, reviewed: bool
) -> None:
    lines = {
        "i": [{"source": "I like it"}, {"source-ref": "s3://data/raw/1"}],
        "sample": [{"object": "I like it"}, {"object": "s3://data/raw/1"}],
    }
    verdicts = [{"object": name, "correct": False, "reason": "blurred"} for name in ("I like it", "s3://data/raw/1")]
    monkeypatch.setattr(s3, "lines", lines.__getitem__)
    monkeypatch.setattr(s3, "json", lambda uri: {"verdicts": verdicts}, raising=False)
    table.now |= {"status": "Rejected"}
    if reviewed:
        table.now["facts"] |= {
            "verdicts": "s3://data/labels/b/gtplus/round-1/verdicts.json",
            "sample": {"round": 1, "uri": "sample"},
        }
    rejected.handler(EVENT, None)
    assert s3.written["s3://data/labels/b/gtplus/round-1/rework.jsonl"] == [
        {"source": "I like it", "reason": "blurred"},
        {"source-ref": "s3://data/raw/1", "reason": "blurred"},
    ]


def test_after_a_pause_a_rejected_batch_keeps_its_rework_list_with_the_reason(table: Table, s3: S3) -> None:
    """The event that is handled then is the resume, and has no reason."""
    table.now |= {"status": "Rejected"}
    rejected.handler(EVENT, None)
    (written,) = s3.written.items()
    table.now |= {"seq": 9, "handled": 8}
    table.event = {"seq": 9, "round": 1, "data": {}}
    assert rejected.handler({**EVENT, "seq": 9}, None)["outcome"] == "done"
    assert list(s3.written.items()) == [written]
    assert table.now["facts"]["rework"] == written[0]


def test_after_the_last_round_the_rework_list_waits_for_an_operator(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handling.Batch, "place", PLACE._replace(settings={"maxRounds": 1}))
    table.now |= {"status": "Rejected"}
    assert rejected.handler(EVENT, None)["outcome"] == "done"
    assert table.advanced == []
    assert "an operator allows one more" in table.now["facts"]["problem"]


@pytest.mark.parametrize(
    "change", [{"generation": 2}, {"handled": 7}], ids=["a newer generation has begun", "it was handled before"]
)
def test_a_handler_that_comes_too_late_does_nothing(
    table: Table, monkeypatch: pytest.MonkeyPatch, change: dict[str, int]
) -> None:
    def looked_at(_: handling.Batch) -> None:
        pytest.fail("no condition keeps it from writing an object")

    monkeypatch.setattr(handling.Batch, "objects", property(looked_at))
    before = {**table.now, **change, "facts": dict(table.now["facts"])}
    table.now |= change
    assert accepted.handler(EVENT, None)["outcome"] == "superseded"
    assert (table.now, table.advanced) == (before, [])


def test_what_a_cancelled_batch_had_before_it_is_left_so_that_nothing_holds_up_its_end(table: Table) -> None:
    """The manifest was changed, so an acceptance that was not handled yet could never be."""
    table.now["facts"]["labels"] = {"sha256": "another"}
    table.now |= {"status": "Cancelled", "seq": 8}
    assert accepted.handler(EVENT, None)["outcome"] == "superseded"
    assert "problem" not in table.now["facts"]


def test_what_a_run_finds_that_ends_after_its_event_was_handled_is_not_kept(
    table: Table, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hung, was given up, and the next run came to its end before it."""

    def chunks(uri: str) -> list[bytes]:
        table.now["handled"] = 7
        return [MANIFEST]

    monkeypatch.setattr(s3, "chunks", chunks)
    assert accepted.handler(EVENT, None)["outcome"] == "superseded"
    assert "accepted" not in table.now["facts"]


def test_a_failure_goes_to_the_state_machine_and_its_log_line_holds_no_data(
    table: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    table.now["facts"]["labels"] = {"sha256": "another"}
    with pytest.raises(ValueError):
        accepted.handler(EVENT, None)
    line = capsys.readouterr().out
    assert '"error": "ValueError"' in line
    assert "s3://" not in line


def test_the_labels_of_a_round_are_held_against_those_of_the_rounds_before(
    table: Table, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the handler runs twice; and a round whose labels are gone is named, and stops nothing."""
    monkeypatch.setattr(handling.Batch, "place", PLACE._replace(settings={"sampleSize": 4, "maxErrorRate": 0.05}))
    monkeypatch.setattr(ready_for_review, "input_changes", lambda *_: None)
    inventory = [{"source-ref": f"s3://data/raw/{n}"} for n in range(7)]
    monkeypatch.setattr(s3, "lines", lambda uri: inventory)
    manifests = {"one": LABELED, "three": LABELED.replace(b"tram", b"car", 1)}

    def chunks(uri: str) -> list[bytes]:
        if uri not in manifests:
            raise Unreadable(uri, "NoSuchKey", "")
        return [manifests[uri]]

    monkeypatch.setattr(s3, "chunks", chunks)
    table.event["round"] = 3
    table.now |= {"status": "Ready for review", "uid": "4f2a", "round": 3}
    table.now["facts"] |= {"manifest": "three", "manifests": {"1": "one", "2": "two"}}
    for _ in range(2):
        table.now["handled"] = 6
        assert ready_for_review.handler(EVENT, None)["outcome"] == "done"
        facts = table.now["facts"]
        assert facts["manifests"] == {"1": "one", "2": "two", "3": "three"}
        assert facts["labels"]["agreement"] == {
            "1": {"objects": 7, "classes": {"objects": 7, "equal": 0.8571, "kappa": 0.5882}},
            "2": {"unreadable": "two"},
        }


class TestOfAnEarlierRound:
    """Nothing followed the batch for a while, and people and the provider are in its second round by now."""

    @pytest.fixture(autouse=True)
    def second_round(self, table: Table, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
        settings = {"sampleSize": 4, "maxErrorRate": 0.05, "maxRounds": 3}
        monkeypatch.setattr(handling.Batch, "place", PLACE._replace(settings=settings))
        monkeypatch.setattr(ready_for_review, "input_changes", lambda *_: None)
        monkeypatch.setattr(s3, "chunks", lambda uri: [{"one": MANIFEST, "two": MANIFEST.replace(b"7", b"8")}[uri]])
        verdicts = {
            f"s3://data/labels/b/gtplus/round-{round}/v": [
                {"object": "s3://data/raw/1", "correct": False, "reason": reason}
            ]
            for round, reason in ((1, "of one"), (2, "of two"))
        }
        monkeypatch.setattr(s3, "json", lambda uri: {"verdicts": verdicts[uri]}, raising=False)
        table.now |= {"status": "Review submission in progress", "seq": 14, "round": 2, "objects": {"completed": 0}}
        table.now["facts"] |= {"manifest": "two", "verdicts": "s3://data/labels/b/gtplus/round-2/v"}
        table.now["facts"] |= {"sample": {"round": 1, "uri": "sample"}}
        said = {4: "one", 13: "two"}
        table.history = [
            {"seq": seq, "round": 1 if seq < 11 else 2, "data": {"manifest": said[seq]} if seq in said else {}}
            for seq in range(1, 15)
        ]
        table.history[4]["data"] = {"verdicts": "s3://data/labels/b/gtplus/round-1/v"}
        table.history[13]["data"] = {"verdicts": "s3://data/labels/b/gtplus/round-2/v"}

    @pytest.mark.parametrize("said", [{"manifest": "one"}, {}], ids=["reported", "resumed"])
    def test_its_own_labels_are_read_and_the_counts_are_left_to_the_next(
        self, table: Table, s3: S3, said: dict[str, str]
    ) -> None:
        table.event["data"] = said
        assert ready_for_review.handler(EVENT, None)["outcome"] == "done"
        assert table.now["facts"]["manifests"] == {"1": "one"}
        assert [entry["label"] for entry in s3.written[table.now["facts"]["sample"]["uri"]]] == [7]
        assert table.now["objects"] == {"completed": 0}

    def test_its_own_verdicts_make_its_rework_list(self, table: Table, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(s3, "lines", lambda uri: [{"object": "s3://data/raw/1"}])
        assert rejected.handler(EVENT, None)["outcome"] == "superseded"
        assert s3.written[table.now["facts"]["rework"]] == [{"source-ref": "s3://data/raw/1", "reason": "of one"}]


LABELED = "".join(
    f'{{"source-ref": "s3://data/raw/{n}", "label": 0, "label-metadata": {{"class-name": "{name}", '
    f'"confidence": 0.{n}, "type": "groundtruth/image-classification"}}}}\n'
    for n, name in enumerate(["car"] * 5 + ["tram"] * 2)
).encode()


MASKS = "".join(
    json.dumps(
        {
            "source-ref": f"s3://data/raw/{n}",
            "label": f"s3://data/labels/b/masks/{n}.png",
            "label-metadata": {"type": "groundtruth/semantic-segmentation", "internal-color-map": {}},
        }
    )
    + "\n"
    for n in range(3)
).encode()


@pytest.fixture
def masks(table: Table, s3: S3, monkeypatch: pytest.MonkeyPatch) -> dict[str, Found]:
    """What S3 knows of the masks that labels refer to; nothing of them can be read."""
    known = {f"s3://data/labels/b/masks/{n}.png": Found(9, f"etag-{n}", "2026") for n in range(3)}
    monkeypatch.setattr(handling.Batch, "place", PLACE._replace(settings={"sampleSize": 4, "maxErrorRate": 0.05}))
    monkeypatch.setattr(ready_for_review, "input_changes", lambda *_: None)
    monkeypatch.setattr(s3, "chunks", lambda uri: [MASKS])
    monkeypatch.setattr(s3, "lines", lambda uri: [{"source-ref": f"s3://data/raw/{n}"} for n in range(3)])
    monkeypatch.setattr(s3, "find", lambda uri: Found(1, "", ""), raising=False)
    monkeypatch.setattr(
        s3, "find_all", lambda uris, reads: {uri: known[uri] for uri in uris if uri in known}, raising=False
    )
    table.now |= {"status": "Ready for review", "uid": "4f2a"}
    return known


def delivered(table: Table, s3: S3) -> tuple[bool, list[str]]:
    """Whether the batch is delivered, and the problems of the look at it."""
    batch = handling.Batch(Key("p", "b"), table.now, table, 1, 7)  # type: ignore[arg-type]
    return try_delivery(batch), table.now["facts"].get("delivery", {}).get("problems", [])


def test_labels_are_complete_where_the_files_that_they_refer_to_are_there(
    table: Table, s3: S3, masks: dict[str, Found]
) -> None:
    ready_for_review.handler(EVENT, None)
    labels = table.now["facts"]["labels"]
    assert (labels["problems"], labels["files"]["files"], labels["files"]["missing"]) == ([], 3, 0)
    del masks["s3://data/labels/b/masks/1.png"]
    ready_for_review.handler(EVENT, None)
    labels = table.now["facts"]["labels"]
    assert labels["problems"] == ["files of labels that are not there: 1"]
    assert labels["files"]["examples"] == ["s3://data/labels/b/masks/1.png"]
    out = Console(file=io.StringIO(), width=200)
    show_quality(labels, out)
    assert "2 of 3 are there; not there: 1, e.g. s3://data/labels/b/masks/1.png" in out.file.getvalue()  # type: ignore[attr-defined]


def test_a_file_of_a_label_that_was_changed_after_its_review_is_neither_accepted_nor_delivered(
    table: Table, s3: S3, masks: dict[str, Found]
) -> None:
    ready_for_review.handler(EVENT, None)
    mask, same = "s3://data/labels/b/masks/2.png", masks["s3://data/labels/b/masks/2.png"]
    masks[mask] = same._replace(etag="another")
    with pytest.raises(ValueError, match="changed after the review"):
        accepted.handler(EVENT, None)
    assert "restore their versions" in table.now["facts"]["problem"]
    masks[mask] = same
    table.now["status"] = "Accepted"
    assert accepted.handler(EVENT, None)["outcome"] == "done"
    table.now["status"] = "Ready for delivery"
    masks[mask] = same._replace(etag="another")
    assert delivered(table, s3) == (
        False,
        ["files of labels that were changed after the acceptance: restore their versions"],
    )
    del masks[mask]
    assert delivered(table, s3) == (False, ["files of labels that are not there: 1"])
    masks[mask] = same
    assert delivered(table, s3)[0]
    assert table.advanced[-1] == "Data delivered"


def test_what_a_late_look_at_a_delivery_finds_is_not_kept(
    table: Table, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch was paused meanwhile: what is waited for now is another thing."""
    monkeypatch.setattr(s3, "find", lambda uri: None, raising=False)
    batch = handling.Batch(Key("p", "b"), table.now, table, 1, 7)  # type: ignore[arg-type]
    table.now = {**table.now, "status": "Paused", "seq": 8}
    with pytest.raises(Superseded):
        try_delivery(batch)
    assert "delivery" not in table.now["facts"]


def test_a_file_of_a_label_that_lies_elsewhere_is_counted_and_stops_nothing(
    table: Table, s3: S3, masks: dict[str, Found], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the customer's own, or of a job before: no right of ours reaches it."""
    elsewhere = MASKS.replace(b"s3://data/labels/b/masks/0.png", b"s3://theirs/0.png")
    monkeypatch.setattr(s3, "chunks", lambda uri: [elsewhere])
    ready_for_review.handler(EVENT, None)
    labels = table.now["facts"]["labels"]
    assert labels["problems"] == []
    assert {name: labels["files"][name] for name in ("files", "missing", "elsewhere")} == {
        "files": 3,
        "missing": 0,
        "elsewhere": 1,
    }


@pytest.mark.parametrize(
    ("method", "stated", "bound"),
    [
        (None, "simple random", True),  # a place that an earlier release registered
        ("random", "simple random", True),
        ("stratified", "stratified by class", False),
        ("least-confident", "least confident", False),
    ],
)
def test_a_sample_is_stated_with_its_method_and_seed_and_only_a_random_one_shows_a_bound(
    table: Table, s3: S3, monkeypatch: pytest.MonkeyPatch, method: str | None, stated: str, bound: bool
) -> None:
    settings = {"sampleSize": 4, "maxErrorRate": 0.05} | ({} if method is None else {"sampleMethod": method})
    monkeypatch.setattr(handling.Batch, "place", PLACE._replace(settings=settings))
    monkeypatch.setattr(ready_for_review, "input_changes", lambda *_: None)
    monkeypatch.setattr(s3, "chunks", lambda uri: [LABELED])
    inventory = [{"source-ref": f"s3://data/raw/{n}"} for n in range(7)]
    monkeypatch.setattr(s3, "lines", lambda uri: inventory if uri == "i" else s3.written[uri])
    table.now |= {"status": "Ready for review", "uid": "4f2a"}
    assert ready_for_review.handler(EVENT, None)["outcome"] == "done"
    sample = table.now["facts"]["sample"]
    assert (sample["method"], sample["seed"], sample["size"], sample["of"]) == (stated, "4f2a/1", 4, 7)
    drawn = s3.written[sample["uri"]]
    if method == "stratified":
        assert sorted(entry["name"] for entry in drawn) == ["car", "car", "car", "tram"]
        assert sum(entry["weight"] for entry in drawn) == pytest.approx(7)
    if method == "least-confident":
        assert [entry["confidence"] for entry in drawn] == [0.0, 0.1, 0.2, 0.3]

    verdicts = [{"object": entry["object"], "correct": entry["name"] != "tram"} for entry in drawn]
    monkeypatch.setattr(s3, "json", lambda uri: {"verdicts": verdicts}, raising=False)
    table.now["facts"] |= {"verdicts": "v"}
    assert review_complete.handler(EVENT, None)["outcome"] == "done"
    review = table.now["facts"]["review"]
    assert review["method"] == stated
    assert ("atMost" in review, "risks" in review) == (bound, bound)
    if method == "stratified":
        assert review["errorRate"] == 0.2857  # two of seven, though it was one of four
