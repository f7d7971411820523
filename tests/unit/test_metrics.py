"""The metrics of batches: what was completed on which day, counted once; decisions, rounds and times."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtplus_cli.caller import Caller
from gtplus_cli.metrics import Metrics, metrics_of, plot, together
from gtplus_cli.metrics_commands import metrics
from gtplus_runtime.problems import Refused

NOW = datetime(2026, 11, 10, 12, tzinfo=UTC)
HEAD = {"batch": "b", "round": 2, "objects": {"total": 100, "completed": 100, "failed": 2}}


def event(day: int, status: str, round_: int = 1, hour: int = 10, **objects: int) -> dict[str, Any]:
    at = f"2026-11-{day:02}T{hour:02}:00:00.000Z"
    return {"at": at, "status": status, "round": round_, "data": {"objects": objects} if objects else {}}


HISTORY = {
    "events": [
        event(1, "Request submitted"),
        event(2, "In progress", completed=5),
        event(5, "Ready for review"),
        event(6, "Rejected"),
        event(6, "Sent for rework", 2, 11),
        event(8, "Ready for review", 2),
        event(8, "Accepted", 2, 16),
        event(9, "Data delivered", 2),
    ],
    "progress": {
        "2026-11-03": {"completed": 40},
        "2026-11-04": {"completed": 90, "failed": 2},
        "2026-11-07": {"completed": 10},
    },
}


def test_an_object_is_completed_once_and_its_labels_in_each_round() -> None:
    found = metrics_of(HEAD, HISTORY, NOW)
    first = {"2026-11-02": 5, "2026-11-03": 35, "2026-11-04": 50, "2026-11-05": 8}
    assert found.objects_by_day == first
    assert found.labels_by_day == {**first, "2026-11-07": 10}
    assert found.objects == 100


def test_decisions_rounds_and_the_time_in_each_status() -> None:
    found = metrics_of(HEAD, HISTORY, NOW)
    assert (found.reviewed, found.rejected, found.rejection_rate, found.rework_rounds) == (2, 1, 0.5, 1)
    assert found.seconds["Ready for review"] == 24 * 3600 + 6 * 3600
    assert found.seconds["In progress"] == 3 * 24 * 3600
    assert "Data delivered" not in found.seconds


def test_the_present_status_lasts_until_now() -> None:
    found = metrics_of({**HEAD, "round": 1}, {"events": [event(9, "Request submitted", hour=12)], "progress": {}}, NOW)
    assert found.seconds == {"Request submitted": 24 * 3600}
    assert found.rejection_rate is None


def test_in_the_first_round_the_labels_say_what_was_completed() -> None:
    history = {"events": HISTORY["events"][:3], "progress": {}}
    head = {"batch": "b", "round": 1, "objects": {"total": 100, "completed": 97}}
    assert metrics_of(head, history, NOW).objects_by_day == {"2026-11-02": 5, "2026-11-05": 92}


@given(st.dictionaries(st.integers(1, 28), st.integers(0, 500), max_size=28))
def test_the_days_add_up_to_the_most_that_was_reported(counts: dict[int, int]) -> None:
    progress = {f"2026-11-{day:02}": {"completed": count} for day, count in counts.items()}
    found = metrics_of(HEAD, {"events": [event(1, "In progress", hour=0)], "progress": progress}, NOW)
    assert found.objects_by_day.total() == max(counts.values(), default=0)
    assert all(count > 0 for count in found.objects_by_day.values())


def test_a_project_is_its_batches_together() -> None:
    one = metrics_of(HEAD, HISTORY, NOW)
    both = together([one, one])
    assert (both.batches, both.objects, both.rejected) == (2, 200, 2)
    assert both.objects_by_day.total() == 2 * one.objects_by_day.total()
    assert both.seconds["Ready for review"] == 2 * one.seconds["Ready for review"]


SVG = "{http://www.w3.org/2000/svg}"


def drawn(metrics: Metrics) -> tuple[dict[str, float], dict[str, float], list[str | None]]:
    """Heights of the bars of days, widths of the bars of statuses, and the texts of a plot."""
    root = ElementTree.fromstring(plot("<p> & co", metrics))
    bars = {str(bar.findtext(f"{SVG}title")): bar.attrib for bar in root.iter(f"{SVG}rect")}
    days = {name: float(bar["height"]) for name, bar in bars.items() if name.startswith("2026")}
    statuses = {name: float(bar["width"]) for name, bar in bars.items() if name not in days}
    return days, statuses, [text.text for text in root.iter(f"{SVG}text")]


def test_a_plot_has_a_bar_for_each_count_in_proportion() -> None:
    days, _, texts = drawn(metrics_of(HEAD, HISTORY, NOW))
    assert len(days) == 9
    assert days["2026-11-04: 50 objects completed"] == 240
    assert days["2026-11-07: 10 labels completed"] == 48
    assert "<p> & co" in texts


def test_a_plot_tells_objects_rejections_rounds_and_the_time_in_each_status() -> None:
    found = metrics_of(HEAD, HISTORY, NOW)
    _, statuses, texts = drawn(found)
    assert "100 objects · 1 of 2 decisions rejected (50%) · 1 rework round" in texts
    longest = max(statuses.values())
    assert {name.partition(":")[0] for name in statuses} == set(found.seconds)
    assert statuses["In progress: 3 d"] == longest
    assert statuses["Ready for review: 1 d 6 h"] == pytest.approx(longest * 30 / 72, abs=0.1)
    assert {*found.seconds} <= {*texts}
    _, statuses, texts = drawn(together([]))
    assert (statuses, "0 objects · nothing decided · 0 rework rounds" in texts) == ({}, True)


class Client:
    def call(self, route: str, **names: Any) -> Any:
        answers = {"batch.show": HEAD, "batch.list": {"batches": [HEAD, {**HEAD, "batch": "c"}], "next": None}}
        return HISTORY if route == "batch.history" else answers[route]


def ask(what: str, capsys: pytest.CaptureFixture[str], **options: Any) -> Any:
    caller = Caller(as_json=True)
    caller.__dict__["client"] = Client()
    metrics(caller, what, **options)
    return json.loads(capsys.readouterr().out)


def test_the_command_answers_for_a_batch_or_a_project_and_some_days(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    day = datetime(2026, 11, 3)
    answer = ask("p/b", capsys, first=day, last=day + timedelta(days=1), svg=tmp_path / "plot.svg")
    assert answer["objectsCompletedByDay"] == {"2026-11-03": 35, "2026-11-04": 50}
    assert (tmp_path / "plot.svg").read_text().startswith("<svg")
    whole = ask("p", capsys)
    assert (whole["objects"], list(whole["byBatch"])) == (200, ["b", "c"])
    assert sum(whole["labelsCompletedByDay"].values()) == 2 * 108


def test_people_see_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    caller = Caller()
    caller.__dict__["client"] = Client()
    metrics(caller, "p")
    text = capsys.readouterr().out
    assert "2 of 4 (50%)" in text
    assert "2026-11-04" in text


def test_days_that_end_before_they_begin_are_refused() -> None:
    with pytest.raises(Refused) as refused:
        metrics(Caller(), "p", first=datetime(2026, 11, 3), last=datetime(2026, 11, 2))
    assert refused.value.problems[0].place == "--to"


def test_a_count_that_falls_takes_nothing_from_its_day() -> None:
    events = [event(1, "In progress", completed=50), event(3, "Ready for review", completed=60)]
    found = metrics_of(HEAD, {"events": events, "progress": {"2026-11-03": {"completed": 10}}}, NOW)
    assert found.objects_by_day == {"2026-11-01": 50, "2026-11-03": 10}
