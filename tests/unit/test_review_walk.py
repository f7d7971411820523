"""The review in the terminal: a key for each verdict, and nothing is lost, however it ends."""

import json
import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from gtplus_cli import batch_commands, review_walk
from gtplus_cli.caller import Caller
from gtplus_cli.review_walk import Kept, Links, kept_for, walk
from gtplus_runtime.labels import Coverage
from gtplus_runtime.labels.agreement import agreement
from gtplus_runtime.problems import Refused

SAMPLE = [
    {"object": f"s3://data/raw/{n}.png", "name": f"class {n}", "confidence": 0.5, "url": f"https://signed/{n}"}
    for n in range(3)
]
RIGHT = [{"object": entry["object"], "correct": True} for entry in SAMPLE]

Press = Callable[..., None]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    opened: list[str] = []

    def launch(url: str) -> int:
        opened.append(url)
        return 0

    monkeypatch.setattr(typer, "launch", launch)
    return opened


@pytest.fixture
def press(monkeypatch: pytest.MonkeyPatch) -> Press:
    """Presses keys; the reasons and answers that are typed come in their order. Then Ctrl-C."""

    def press(keys: str, *typed: str, send: bool = True) -> None:
        coming, lines = iter(keys), iter(typed)

        def getchar() -> str:
            return next(coming, "\x03")

        monkeypatch.setattr(typer, "getchar", getchar)
        monkeypatch.setattr(typer, "prompt", lambda text: next(lines))
        monkeypatch.setattr(typer, "confirm", lambda text, default: send)

    return press


def links(sample: Iterable[dict[str, Any]] = SAMPLE) -> Links:
    return Links(lambda: list(sample), list(sample))


def go(path: Path, *, open_each: bool = False, sample: list[dict[str, Any]] = SAMPLE) -> tuple[bool, list[Any]]:
    kept = Kept(path)
    finished = walk(sample, kept, links(sample), Console(quiet=True), open_each=open_each)
    return finished, list(kept.verdicts.values())


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_key_is_a_verdict_and_a_wrong_label_has_its_reason(tmp_path: Path, press: Press) -> None:
    press("cwc", "it is a dog")
    wrong = {"object": SAMPLE[1]["object"], "correct": False, "reason": "it is a dog"}
    assert go(tmp_path / "kept") == (True, [RIGHT[0], wrong, RIGHT[2]])


def test_every_verdict_is_in_the_file_before_the_next_object_is_shown(tmp_path: Path, press: Press) -> None:
    press("cc")
    with pytest.raises(typer.Exit) as ended:
        go(tmp_path / "kept")
    assert ended.value.exit_code == 130
    assert lines(tmp_path / "kept") == RIGHT[:2]


def test_ctrl_c_says_where_the_verdicts_are_and_how_to_go_on(
    tmp_path: Path, press: Press, capsys: pytest.CaptureFixture[str]
) -> None:
    press("c")
    with pytest.raises(typer.Exit):
        walk(SAMPLE, Kept(tmp_path / "kept"), links(), Console(width=500), open_each=False)
    said = capsys.readouterr().out
    assert f"1 verdicts are kept in {tmp_path / 'kept'}; the same command goes on" in said


def test_the_same_command_goes_on_where_it_was_left(tmp_path: Path, press: Press) -> None:
    press("cq")
    assert go(tmp_path / "kept") == (False, RIGHT[:1])
    press("cc")
    assert go(tmp_path / "kept") == (True, RIGHT)


def test_undo_takes_the_last_verdict_back_and_shows_its_object_again(tmp_path: Path, press: Press) -> None:
    press("uwucccc", "a slip")
    assert go(tmp_path / "kept") == (True, RIGHT)


def test_a_skipped_object_has_no_verdict(tmp_path: Path, press: Press) -> None:
    press("csc")
    assert go(tmp_path / "kept") == (True, [RIGHT[0], RIGHT[2]])


def test_a_key_that_means_nothing_is_none(tmp_path: Path, press: Press) -> None:
    press("x\rc1cc")
    assert go(tmp_path / "kept") == (True, RIGHT)


def test_who_does_not_want_to_send_yet_keeps_the_verdicts(tmp_path: Path, press: Press) -> None:
    press("ccc", send=False)
    assert go(tmp_path / "kept") == (False, RIGHT)
    assert lines(tmp_path / "kept") == RIGHT


def test_an_object_is_opened_at_a_key_or_each_as_it_comes(tmp_path: Path, press: Press, opened: list[str]) -> None:
    press("ococc")
    go(tmp_path / "one")
    assert opened == ["https://signed/0", "https://signed/1"]
    opened.clear()
    press("ccc")
    go(tmp_path / "two", open_each=True)
    assert opened == ["https://signed/0", "https://signed/1", "https://signed/2"]


def test_a_label_that_is_a_file_is_opened_with_its_object(tmp_path: Path, press: Press, opened: list[str]) -> None:
    press("oc")
    go(tmp_path / "kept", sample=[{**SAMPLE[0], "labelUrl": "https://signed/mask"}])
    assert opened == ["https://signed/0", "https://signed/mask"]


def test_only_a_link_of_the_web_is_handed_to_the_desktop(tmp_path: Path, press: Press, opened: list[str]) -> None:
    press("occ")
    sample = [{**SAMPLE[0], "url": "file:///etc/passwd"}, {**SAMPLE[1], "url": None}]
    assert go(tmp_path / "kept", sample=sample)[0]
    assert opened == []


def test_links_are_fetched_anew_before_they_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(review_walk.time, "monotonic", lambda: now[0])
    fresh = [{**entry, "url": "https://fresh"} for entry in SAMPLE]
    several = Links(lambda: fresh, SAMPLE)
    assert several.of(SAMPLE[0]["object"]) == "https://signed/0"
    now[0] = 14 * 60.0
    assert several.of(SAMPLE[0]["object"]) == "https://fresh"


def test_what_others_wrote_cannot_move_the_terminal(tmp_path: Path, press: Press, capsys: Any) -> None:
    press("c")
    sample = [{"object": "\x1b[2Jtext [red]", "name": "\x1b]0;x\x07", "url": None}]
    walk(sample, Kept(tmp_path / "kept"), links(sample), Console(width=500), open_each=False)
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "text [red]" in said


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from("cwsu"), max_size=20))
def test_after_whatever_keys_the_file_holds_the_verdicts_that_were_not_taken_back(
    tmp_path_factory: pytest.TempPathFactory, keys: list[str]
) -> None:
    path = tmp_path_factory.mktemp("kept") / "kept"
    kept = Kept(path)
    expected: dict[str, bool] = {}
    for number, key in enumerate(keys):
        if key == "u":
            assert kept.undo() == (expected.popitem()[0] if expected else None)
        elif key != "s":
            kept.add({"object": str(number), "correct": key == "c"})
            expected[str(number)] = key == "c"
    assert {v["object"]: v["correct"] for v in Kept(path).verdicts.values()} == expected


def test_verdicts_on_another_draw_are_kept_apart() -> None:
    """A batch of the same name in another workspace, and the next round, have seeds of their own."""
    paths = {kept_for("p/b", seed).path for seed in ("4f2a/1", "4f2a/2", "9c11/1")}
    assert len(paths) == 3


# The command


BOXES = Path(__file__).parents[1] / "data/labels/boxes.manifest"


class Client:
    def __init__(self) -> None:
        coverage = Coverage([BOXES.read_bytes()], "category", [])
        self.labels = {"labels": coverage.summary(), "manifest": str(BOXES)}
        self.sent: list[dict[str, Any]] = []

    def call(self, route: str, **body: Any) -> Any:
        if route == "batch.sample":
            return {"round": 1, "seed": "4f2a/1", "method": "simple random", "objects": SAMPLE, **self.labels}
        self.sent.append(body)
        return {"status": "Review submission in progress"}


@pytest.fixture
def caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Caller:
    monkeypatch.setattr(typer, "get_app_dir", lambda name: str(tmp_path))
    caller = Caller()
    caller.__dict__["client"] = Client()
    return caller


def test_verdicts_that_were_sent_are_kept_no_longer(
    caller: Caller, tmp_path: Path, press: Press, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    press("ccc")
    batch_commands.review(caller, "p/b", comment="well done")
    (sent,) = caller.client.sent  # type: ignore[attr-defined]
    assert (sent["verdicts"], sent["round"], sent["comment"]) == (RIGHT, 1, "well done")
    assert list((tmp_path / "reviews").iterdir()) == []


def test_the_review_begins_with_what_the_labels_are_like(
    caller: Caller, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of real boxes, one of them moved out of its image and one drawn twice; the gold labels are the real ones."""
    monkeypatch.setenv("COLUMNS", "300")
    caller.region = "us-east-1"
    entries = lines(BOXES)
    entries[0]["category"]["annotations"][0]["left"] += 5000
    entries[1]["category"]["annotations"].append(entries[1]["category"]["annotations"][0])
    drawn = tmp_path / "round.manifest"
    drawn.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    coverage = Coverage([drawn.read_bytes()], "category", [entry["source-ref"] for entry in entries])
    earlier = Coverage([BOXES.read_bytes()], "category", [entry["source-ref"] for entry in entries])
    known = coverage.summary() | {"agreement": {"1": agreement(coverage.labels, earlier.labels)}}
    caller.client.labels = {"labels": known, "manifest": str(drawn)}  # type: ignore[attr-defined]
    batch_commands.review(caller, "p/b", sample=tmp_path / "sample", gold=str(BOXES))
    said = capsys.readouterr().out
    boxes = sum(len(entry["category"]["annotations"]) for entry in entries)
    f1 = 2 * (boxes - 2) / (2 * boxes - 1)
    assert "complete: 6 labeled, 0 failed with a reason" in said
    assert "Bird 100.0%" in said
    assert "confidence" in said
    assert "1 × box outside of the image" in said
    assert "1 × box that is there twice" in said
    assert f"with round 1: 6 objects in both; boxes F1 {f1:.2f}" in said
    assert f"with the gold labels: 6 objects in both; boxes F1 {f1:.2f}" in said


@pytest.mark.parametrize("way", ["sample", "verdicts", "terminal"])
def test_programs_get_what_the_labels_are_like_in_each_way(
    caller: Caller,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    press: Press,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    caller.as_json, caller.region = True, "us-east-1"
    coverage = Coverage([BOXES.read_bytes()], "category", [entry["source-ref"] for entry in lines(BOXES)])
    caller.client.labels = {"labels": coverage.summary(), "manifest": str(BOXES)}  # type: ignore[attr-defined]
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    press("ccc")
    (tmp_path / "verdicts").write_text("".join(json.dumps(verdict) + "\n" for verdict in RIGHT))
    given = {"sample": {"sample": tmp_path / "sample"}, "verdicts": {"verdicts": tmp_path / "verdicts"}}
    batch_commands.review(caller, "p/b", gold=str(BOXES), **given.get(way, {}))
    answer = json.loads(capsys.readouterr().out)
    assert answer["labels"]["gold"]["boxes"]["f1"] == 1
    assert answer["labels"]["classes"] == {"Bird": 14}
    assert answer.get("status") == (None if way == "sample" else "Review submission in progress")


def test_where_there_is_no_terminal_nothing_is_asked(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)
    with pytest.raises(Refused) as refused:
        batch_commands.review(caller, "p/b")
    assert refused.value.problems[0].place == "--verdicts"


def test_in_a_real_terminal_the_keys_need_no_enter_and_ctrl_c_keeps_what_was_said(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from rich.console import Console; import typer\n"
        "from gtplus_cli.errors import guarded; from gtplus_cli.review_walk import Kept, Links, walk\n"
        f"sample = {SAMPLE!r}; app = typer.Typer()\n"
        "@app.command()\n"
        "def review():\n"
        f"    walk(sample, Kept(Path({str(tmp_path / 'kept')!r})), Links(lambda: sample, sample),"
        " Console(color_system=None), open_each=False)\n"
        "sys.exit(guarded(app, Console(stderr=True)))\n"
    )
    main, terminal = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", script], stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    said = b""

    def until(text: bytes) -> None:
        nonlocal said
        while text not in said:
            assert select.select([main], [], [], 60)[0], said
            said += os.read(main, 10_000)

    def press(key: bytes) -> None:
        while termios.tcgetattr(main)[3] & termios.ICANON:  # what is typed before it listens is not for it
            time.sleep(0.01)
        os.write(main, key)

    until(b"1 of 3")
    press(b"c")
    until(b"2 of 3")
    press(b"\x03")
    until(b"goes on")
    assert process.wait(60) == 130
    os.close(main)
    assert lines(tmp_path / "kept") == RIGHT[:1]
