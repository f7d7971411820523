"""`gtplus labels`: what people see, what programs get, and how it says no."""

import errno
import io
import json
import os
import pty
import shlex
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from PIL import Image
from rich.console import Console

from gtplus_cli.caller import Caller
from gtplus_cli.errors import guarded
from gtplus_cli.labels import FORMATS, check_labels, label_statistics
from gtplus_cli.labels.checking import SHOWN_OF_A_KIND
from gtplus_cli.main import app

DATA = Path(__file__).parents[1] / "data" / "labels"
BOXES = DATA / "boxes.manifest"


@pytest.fixture
def gtplus(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)

    def run(command: str) -> tuple[int, str, str]:
        errors = Console(file=io.StringIO(), width=200)
        code = guarded(lambda: app(["labels", *shlex.split(command)], standalone_mode=False), errors)
        assert isinstance(errors.file, io.StringIO)
        return code, capsys.readouterr().out, errors.file.getvalue()

    return run


def lines(*entries: Any) -> str:
    return "".join((entry if isinstance(entry, str) else json.dumps(entry)) + "\n" for entry in entries)


def boxed(number: int, *boxes: tuple[float, ...], names: dict[str, str] | None = None) -> dict[str, Any]:
    annotations = [dict(zip(("left", "top", "width", "height"), box, strict=True), class_id=0) for box in boxes]
    return {
        "source-ref": f"s3://streets/{number}.png",
        "label": {"annotations": annotations, "image_size": [{"width": 100, "height": 50}]},
        "label-metadata": {
            "class-map": {"0": "car"} if names is None else names,
            "type": "groundtruth/object-detection",
        },
    }


# Check


def test_good_labels_are_said_to_be_good(gtplus: Any) -> None:
    code, out, _ = gtplus(f"check {BOXES}")
    assert code == 0
    assert "6 lines, 6 objects: all good" in out
    assert "next: gtplus labels stats" in out


def test_all_that_is_wrong_is_told_with_its_line(gtplus: Any, tmp_path: Path) -> None:
    bad = lines(
        boxed(1, (90, 10, 20, 20), (5, 5, 10, 10), (5, 5, 10, 10)),
        "{",
        boxed(1),
        boxed(2, (1, 1, 0, 5)),
        boxed(3, (1, 1, 2, 2), names={}),
        {"source-ref": "s3://streets/4.png"},
        {"source-ref": "s3://streets/6.png", "label-metadata": {"failure-reason": "dark"}},
    )
    (tmp_path / "bad.manifest").write_text(bad)
    (tmp_path / "input").write_text(lines(*({"source-ref": f"s3://streets/{n}.png"} for n in (1, 2, 3, 4, 5))))
    code, _, error = gtplus("check bad.manifest --input input --report report.jsonl")
    assert code == 1
    assert "9 problems in 7 lines" in error
    expected = {
        ("line 1, label", "box outside of the image"),
        ("line 1, label", "box that is there twice"),
        ("line 2", "line that cannot be read"),
        ("line 3", "object with several lines"),
        ("line 4, label", "box without an area"),
        ("line 5, label", "class without an entry in the class map"),
        ("line 6", "object without a label"),
        ("line 5 of the input", "object without a line"),
        ("line 7", "line of an object that is not in the input"),
    }
    report = [json.loads(line) for line in (tmp_path / "report.jsonl").read_text().splitlines()]
    assert {(entry["place"], entry["kind"]) for entry in report} == expected
    assert len(report) == len(expected)
    for place, kind in expected:
        assert any(place in row and kind in row for row in error.splitlines())


def test_the_first_hundred_of_a_kind_are_shown_and_all_are_in_the_file(gtplus: Any, tmp_path: Path) -> None:
    (tmp_path / "bad").write_text("{\n" * 250 + lines(boxed(1)))
    code, out, error = gtplus("check bad --report report.jsonl --json")
    answer = json.loads(out)
    assert (code, answer["problems"], answer["counts"]) == (1, 250, {"line that cannot be read": 250})
    assert len(answer["shown"]) == SHOWN_OF_A_KIND == 100
    assert len((tmp_path / "report.jsonl").read_text().splitlines()) == 250
    assert "250 problems in 251 lines" in error
    code, _, error = gtplus("check bad")
    assert "and 230 more" in error
    assert "--report FILE" in error


def test_a_manifest_without_labels_is_not_good(gtplus: Any, tmp_path: Path) -> None:
    (tmp_path / "input").write_text(lines({"source-ref": "s3://streets/1.png"}))
    assert gtplus("check input")[0] == 1
    (tmp_path / "empty").write_text("")
    assert gtplus("check empty")[0] == 1


def test_a_named_attribute_is_checked_alone(gtplus: Any, tmp_path: Path) -> None:
    (tmp_path / "chained").write_text((DATA / "documented.manifest").read_text().splitlines()[3])
    code, out, _ = gtplus("check chained --attribute bounding-box --json")
    assert (code, list(json.loads(out)["attributes"])) == (0, ["bounding-box"])
    assert gtplus("check chained --attribute other")[0] == 1


# Stats


def test_stats_tell_types_counts_classes_and_confidence(gtplus: Any) -> None:
    code, out, _ = gtplus(f"stats {DATA / 'classes.manifest'}")
    assert code == 0
    assert "vehicle-labeling-demo  groundtruth/image-classification (10)" in out
    assert "10 labeled, 10 annotations" in out
    rows = [line.split() for line in out.splitlines()]
    assert ["Airplane", "3", "3", "30.0%"] in rows


def test_stats_of_a_chain_are_told_by_attribute(gtplus: Any) -> None:
    code, out, _ = gtplus(f"stats {DATA / 'documented.manifest'} --json")
    answer = json.loads(out)
    assert code == 0
    assert len(answer) == 12
    assert answer["adjusted-bounding-box"]["classes"] == {"bone": 2, "dog": 1}


def test_the_numbers_of_a_real_output_are_those_of_an_independent_count() -> None:
    annotations = [
        {"class": entry["category-metadata"]["class-map"][str(box["class_id"])], "confidence": sure["confidence"]}
        for entry in map(json.loads, BOXES.read_text().splitlines())
        for box, sure in zip(entry["category"]["annotations"], entry["category-metadata"]["objects"], strict=True)
    ]
    summary = label_statistics(BOXES)["category"].summary()
    ranked = sorted(a["confidence"] for a in annotations)
    assert summary["annotations"] == len(annotations) == 14
    assert summary["classes"] == {"Bird": 14}
    assert (summary["confidence"]["min"], summary["confidence"]["max"]) == (ranked[0], ranked[-1])
    assert summary["confidence"]["median"] == ranked[6]


def test_objects_without_the_attribute_count_as_unlabeled(gtplus: Any) -> None:
    code, out, _ = gtplus(f"stats {BOXES} --attribute other")
    assert (code, "0 labeled, 6 without a label" in out) == (0, True)


def test_names_of_others_are_no_markup(gtplus: Any, tmp_path: Path) -> None:
    entry = boxed(1, (1, 1, 2, 2), names={"0": "[red]car[/red]\x1b[31m"})
    (tmp_path / "odd").write_text(lines(entry))
    code, out, _ = gtplus("stats odd")
    assert code == 0
    assert "[red]car[/red]" in out
    assert "\x1b[31m" not in out


# Convert and card


@pytest.mark.parametrize("to", ["coco", "yolo", "voc", "csv", "jsonl", "hf"])
def test_convert_says_what_it_wrote_and_where_the_images_belong(gtplus: Any, tmp_path: Path, to: str) -> None:
    code, out, _ = gtplus(f"convert {BOXES} out --to {to}")
    assert code == 0
    assert (tmp_path / "out").exists()
    assert "6 labels of 1 class: out, as" in out
    place = {"yolo": "out/images", "voc": "out/JPEGImages", "hf": "out"}.get(to)
    assert (f"aws s3 sync s3://rns-groundtruth-bucket/ground-truth-od-full-demo/images/ {place}" in out) == bool(place)


def test_convert_tells_what_was_left_out(gtplus: Any) -> None:
    _, out, _ = gtplus(f"convert {BOXES} out --to yolo --json")
    answer = json.loads(out)
    assert (answer["objects"], answer["leftOut"]) == (6, {"confidences": 14})


def test_convert_names_the_images_whose_names_clash(gtplus: Any) -> None:
    pairs = [
        {**boxed(n, (1, 1, 2, 2)), "source-ref": f"s3://b/{n:02}.{end}"} for n in range(22) for end in ("png", "jpg")
    ]
    Path("output.manifest").write_text(lines(*pairs))
    _, out, _ = gtplus("convert output.manifest one --to voc")
    assert (
        "left out: 22 images whose name differs from another one's in the ending alone\n    00.jpg\n    01.jpg\n" in out
    )
    assert "    19.jpg\n    … 2 more, see --json" in out
    _, out, _ = gtplus("convert output.manifest two --to yolo --json")
    assert json.loads(out)["clashing"] == [f"{n:02}.jpg" for n in range(22)]


def test_convert_takes_sizes_from_images_here(gtplus: Any) -> None:
    line = boxed(1, (10, 10, 20, 20))
    del line["label"]["image_size"]
    Path("output.manifest").write_text(lines(line))
    code, _, error = gtplus("convert output.manifest out --to yolo")
    assert (code, "1 images of unknown size (--images DIR tells it)" in error) == (1, True)
    Path("images").mkdir()
    Image.new("L", (200, 100)).save("images/1.png")
    assert gtplus("convert output.manifest out --to yolo --images images")[0] == 0
    assert Path("out/labels/1.txt").read_text() == "0 0.1 0.2 0.1 0.2\n"


def test_boxes_of_others_become_a_manifest(gtplus: Any, tmp_path: Path) -> None:
    assert gtplus(f"convert {BOXES} coco.json --to coco")[0] == 0
    code, out, _ = gtplus("convert coco.json gold.manifest --from coco --to manifest --prefix s3://streets/raw/")
    assert (code, "6 objects with their labels are in gold.manifest" in out) == (0, True)
    assert check_labels(tmp_path / "gold.manifest").counts == {}


def test_classes_can_be_numbered_by_a_file(gtplus: Any, tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("Cat\nBird\n")
    assert gtplus(f"convert {BOXES} out --to yolo --classes classes.txt")[0] == 0
    assert '1: "Bird"' in (tmp_path / "out" / "data.yaml").read_text()


def test_card_is_printed_or_written(gtplus: Any, tmp_path: Path) -> None:
    code, out, _ = gtplus(f"card {BOXES}")
    assert (code, "| Bird | 14 | 100.0% |" in out) == (0, True)
    assert gtplus(f"card {BOXES} --output README.md")[0] == 0
    assert "| label attribute | category |" in (tmp_path / "README.md").read_text()


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("check none.manifest", "there is nothing to read"),
        ("convert {segmentation} out --to yolo", "YOLO holds boxes"),
        ("convert {segmentation} out --to xml", "one of coco, yolo, yolo-seg, voc, csv, jsonl, hf"),
        ("convert coco.json out --from coco --to coco", "write --to manifest"),
        ("convert coco.json out --from xml --to manifest --prefix s3://a/", "one of coco, yolo, voc"),
        ("convert coco.json out --from coco --to manifest --prefix streets", "an S3 URI that ends in /"),
        ("convert coco.json out --from coco --to manifest --prefix s3://a/", "look at the file"),
    ],
)
def test_a_refusal_says_what_to_do(gtplus: Any, command: str, words: str) -> None:
    code, _, error = gtplus(command.format(segmentation=DATA / "segmentation.manifest"))
    assert code == 1
    assert words in error
    assert "Traceback" not in error


# S3


class S3:
    """Holds objects."""

    class exceptions:
        ClientError = ClientError

    def __init__(self, objects: dict[str, bytes]) -> None:
        self._objects = objects

    def _find(self, bucket: str, key: str) -> bytes:
        if (content := self._objects.get(f"s3://{bucket}/{key}")) is None:
            raise ClientError({"Error": {"Code": "404", "Message": "Not Found"}}, "GetObject")
        return content

    def download_fileobj(self, bucket: str, key: str, file: Any) -> None:
        file.write(self._find(bucket, key))

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        return {"Body": io.BytesIO(self._find(Bucket, Key))}


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> None:
    sequence = "s3://AWSDOC-EXAMPLE-BUCKET/output/labeling-job-name/annotations/consolidated-annotation/output/0"
    held = {
        "s3://labels/output.manifest": BOXES.read_bytes(),
        "s3://labels/video.manifest": (DATA / "documented.manifest").read_bytes().splitlines()[7],
        f"{sequence}/SeqLabel.json": (DATA / "video-tracking-SeqLabel.json").read_bytes(),
    }
    monkeypatch.setattr(Caller, "session", type("Session", (), {"client": lambda self, name: S3(held)})())


@pytest.mark.usefixtures("s3")
def test_a_manifest_is_read_from_s3(gtplus: Any) -> None:
    assert "6 lines, 6 objects: all good" in gtplus("check s3://labels/output.manifest")[1]
    assert gtplus("convert s3://labels/output.manifest coco.json --to coco")[0] == 0
    code, _, error = gtplus("stats s3://labels/other.manifest")
    assert (code, "must be there and readable" in error) == (1, True)


@pytest.mark.usefixtures("s3")
def test_labels_of_video_frames_are_followed(gtplus: Any) -> None:
    _, out, _ = gtplus("stats s3://labels/video.manifest --json")
    assert json.loads(out)["CarObjectTracking-ref"]["annotations"] == 0
    _, out, _ = gtplus("stats s3://labels/video.manifest --follow --json")
    assert json.loads(out)["CarObjectTracking-ref"]["classes"] == {"bus": 1, "car": 2}


@pytest.mark.usefixtures("s3")
def test_a_sequence_file_that_is_missing_is_told(gtplus: Any, tmp_path: Path) -> None:
    line = (DATA / "documented.manifest").read_text().splitlines()[6].replace("output/0/SeqLabel", "output/1/SeqLabel")
    (tmp_path / "video").write_text(line)
    code, _, error = gtplus("check video --follow")
    assert (code, "sequence file that cannot be read" in error) == (1, True)


def test_a_label_that_stands_under_another_name_than_its_metadata_is_told_so(gtplus: Any) -> None:
    """Made by hand after a public manifest: the label is under `normal`, its metadata under `auto-label-metadata`."""
    metadata = {"class-name": "anomaly", "type": "groundtruth/image-classification", "human-annotated": "yes"}
    Path("m").write_text(lines({"source-ref": "s3://b/1.jpg", "normal": 0, "auto-label-metadata": metadata}))
    code, _, errors = gtplus("check m")
    assert code == 1
    assert "nothing under auto-label" in " ".join(errors.split())


def test_a_conversion_shows_a_bar_on_a_terminal_and_nothing_elsewhere(tmp_path: Path) -> None:
    entry = {"source-ref": "s3://b/1.jpg", "l": 0, "l-metadata": {"class-name": "x", "human-annotated": "yes"}}
    (tmp_path / "m").write_text(lines(*({**entry, "source-ref": f"s3://b/{n}.jpg"} for n in range(2_500))))
    main = "from gtplus_cli.main import run; run()"
    arguments = [sys.executable, "-c", main, "labels", "convert", "m"]
    quiet = subprocess.run([*arguments, "a", "--to", "csv"], cwd=tmp_path, capture_output=True, check=True)
    assert quiet.stderr == b""
    screen, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200"}
    shown = subprocess.run(
        [*arguments, "b", "--to", "csv"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=terminal, env=environment
    )
    os.close(terminal)
    said = b""
    with suppress(OSError):  # so Linux says that all was read
        while piece := os.read(screen, 10_000):
            said += piece
    os.close(screen)
    assert shown.returncode == 0
    assert b"converting m" in said
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("command", "option"),
    [
        (f"convert {BOXES} nowhere/out --to coco", "OUTPUT"),
        (f"check {BOXES} --report nowhere/report", "--report"),
        (f"card {BOXES} --output nowhere/card", "--output"),
        (f"card {BOXES} --output .", "file"),
    ],
)
def test_where_nothing_can_be_written_the_option_is_named(gtplus: Any, command: str, option: str) -> None:
    code, _, errors = gtplus(command)
    assert code == 1
    assert option in errors
    assert "Error:" not in errors
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("command", "option"),
    [
        (f"convert {BOXES} out --to coco", "OUTPUT"),
        (f"convert {BOXES} out --to yolo", "OUTPUT"),
        (f"check {DATA / 'documented.manifest'} --attribute none --report /dev/full", "--report"),
        (f"card {BOXES} --output /dev/full", "--output"),
    ],
)
def test_where_the_disk_ends_half_way_the_option_is_named_and_nothing_is_left(
    gtplus: Any, monkeypatch: pytest.MonkeyPatch, command: str, option: str
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for name in ("coco", "yolo"):
        monkeypatch.setattr(FORMATS[name].writer, "close", full)
    code, _, errors = gtplus(command)
    assert code == 1
    assert all(word in errors for word in (option, "No space left on device", "make room"))
    assert "OSError" not in errors
    assert list(Path().iterdir()) == []


def test_where_the_disk_ends_on_the_way_back_the_output_is_named(gtplus: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    assert gtplus(f"convert {BOXES} coco.json --to coco")[0] == 0
    monkeypatch.setattr("gtplus_cli.labels.importing._line", full)
    code, _, errors = gtplus("convert coco.json back --from coco --to manifest --prefix s3://b/")
    assert (code, "OUTPUT" in errors, "No space left on device" in errors) == (1, True, True)
    assert [path.name for path in Path().iterdir()] == ["coco.json"]


def test_what_to_do_next_can_be_pasted_into_a_shell(gtplus: Any) -> None:
    Path("output (3).manifest").write_text(lines({**boxed(1), "source-ref": "s3://b/my images/1.png"}))
    assert "gtplus labels stats 'output (3).manifest'" in gtplus("check 'output (3).manifest'")[1]
    assert "gtplus labels card 'output (3).manifest'" in gtplus("stats 'output (3).manifest'")[1]
    _, out, _ = gtplus("convert 'output (3).manifest' 'my yolo' --to yolo")
    assert "aws s3 sync 's3://b/my images/' 'my yolo/images'" in out


def test_a_list_of_classes_is_utf_8(gtplus: Any) -> None:
    Path("m").write_text(lines(boxed(1, (0, 0, 1, 1), names={"0": "Tür"})))
    Path("classes").write_bytes("\ufeffTür\r\n".encode())
    assert gtplus("convert m coco --to coco --classes classes")[0] == 0
    Path("classes").write_bytes("Tür".encode("latin-1"))
    code, _, errors = gtplus("convert m coco2 --to coco --classes classes")
    assert (code, "save it as UTF-8" in errors, "--classes" in errors) == (1, True, True)


@pytest.mark.usefixtures("s3")
@pytest.mark.parametrize("uri", ["s3://", "s3://labels", "s3://labels/", "s3://no such/x", "s3:///x"])
def test_an_s3_uri_of_no_object_is_refused_before_s3_is_asked(gtplus: Any, uri: str) -> None:
    code, _, errors = gtplus(f"convert '{uri}' out --to coco")
    assert (code, "s3://BUCKET/KEY" in errors, uri in errors) == (1, True, True)


@pytest.mark.parametrize(("code", "mend"), [("403", "s3:GetObject"), ("404", "mend the bucket or the key")])
def test_what_s3_does_not_give_is_told_with_its_mend(
    gtplus: Any, monkeypatch: pytest.MonkeyPatch, code: str, mend: str
) -> None:
    class Closed(S3):
        def _find(self, bucket: str, key: str) -> bytes:
            raise ClientError({"Error": {"Code": code, "Message": ""}}, "HeadObject")

    monkeypatch.setattr(Caller, "session", type("Session", (), {"client": lambda self, name: Closed({})})())
    for command in ("check {}", "stats {}", "card {}", "convert {} out --to coco"):
        exit_, _, errors = gtplus(command.format("s3://labels/output.manifest"))
        assert (exit_, f"s3://labels/output.manifest: {code}" in errors, mend in errors) == (1, True, True), command


@pytest.mark.usefixtures("s3")
def test_a_reference_that_is_no_uri_of_an_object_is_told_like_one_that_is_missing(gtplus: Any) -> None:
    line = json.loads((DATA / "documented.manifest").read_text().splitlines()[7])
    Path("video").write_text(lines({**line, "CarObjectTracking-ref": "s3://no such.json"}))
    code, _, errors = gtplus("check video --follow")
    assert (code, "sequence file that cannot be read" in errors) == (1, True)


@pytest.mark.parametrize(
    ("command", "region"),
    [("stats s3://labels/m", "eu-west-1"), ("stats s3://labels/m --region us-east-1", "us-east-1")],
)
def test_the_region_of_the_environment_is_that_of_the_session(
    gtplus: Any, monkeypatch: pytest.MonkeyPatch, command: str, region: str
) -> None:
    asked: list[str | None] = []

    class Session:
        def __init__(self, *, profile_name: str | None, region_name: str | None) -> None:
            self.region_name = region_name
            asked.append(region_name)

        def client(self, name: str) -> S3:
            return S3({"s3://labels/m": BOXES.read_bytes()})

    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setattr("gtplus_cli.caller.boto3.Session", Session)
    assert gtplus(command)[0] == 0
    assert asked == [region]
