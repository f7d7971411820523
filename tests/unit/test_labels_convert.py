"""Conversions of labels: what the field's own libraries read is what the manifest says, and the way back leads home."""

import contextlib
import csv
import io
import json
import os
import subprocess
import sys
import tracemalloc
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gtplus_cli.labels import FORMATS, check_labels, convert_labels, import_labels, label_statistics
from gtplus_cli.labels.pictures import clipped_outline, relative
from gtplus_runtime.labels import Polygon
from gtplus_runtime.problems import Refused

DATA = Path(__file__).parents[1] / "data" / "labels"
VEHICLES = DATA / "classes.manifest"
ROOT = "s3://streets/raw/"

Boxes = dict[str, list[tuple[str, tuple[float, ...], float | None]]]
"""By object: class, left, top, width, height, and confidence."""


@pytest.fixture
def folder() -> Iterator[Path]:
    with TemporaryDirectory() as name:
        yield Path(name)


def boxes_in(manifest: Path, attribute: str) -> Boxes:
    """What a manifest of boxes says, read the plain way."""
    found: Boxes = {}
    for line in manifest.read_text().splitlines():
        entry = json.loads(line)
        metadata, value = entry[attribute + "-metadata"], entry[attribute]
        confidences = [o.get("confidence") for o in metadata.get("objects", [])]
        confidences += [None] * (len(value["annotations"]) - len(confidences))
        found[entry["source-ref"]] = [
            (
                metadata["class-map"][str(a["class_id"])],
                (a["left"], a["top"], a["width"], a["height"]),
                confidence,
            )
            for a, confidence in zip(value["annotations"], confidences, strict=True)
        ]
    return found


def near(one: Boxes, other: Boxes, within: float, *, confidence: bool = True) -> None:
    """Both say the same, in any order of the boxes."""
    assert one.keys() == other.keys()

    def order(box: Any) -> Any:
        return box[0], [round(edge, 2) for edge in box[1]]

    for source in one:
        for mine, theirs in zip(sorted(one[source], key=order), sorted(other[source], key=order), strict=True):
            assert mine[0] == theirs[0]
            assert mine[1] == pytest.approx(theirs[1], abs=within)
            assert not confidence or mine[2] == theirs[2]


# Manifests of boxes, as many as there are

SIZES = st.tuples(st.integers(8, 60), st.integers(8, 60))
CLASSES = ["bus", "car", "b, 'c': \"d\"", "straße <&>", "- 7: x"]


@st.composite
def manifests(draw: st.DrawFn) -> list[dict[str, Any]]:
    whole = draw(st.booleans())
    lines = []
    for number in range(draw(st.integers(1, 4))):
        width, height = draw(SIZES)
        annotations = []
        for _ in range(draw(st.integers(0, 4))):
            left, top = draw(st.integers(0, width - 2)), draw(st.integers(0, height - 2))
            box = {"left": left, "top": top}
            box |= {"width": draw(st.integers(1, width - left)), "height": draw(st.integers(1, height - top))}
            if not whole and box["width"] > 1:
                box["left"] += draw(st.sampled_from([0.25, 0.1, 1 / 3]))
                box["width"] -= 0.5
            annotations.append({"class_id": draw(st.integers(0, len(CLASSES) - 1)), **box})
        used = sorted({a["class_id"] for a in annotations})
        metadata: dict[str, Any] = {
            "class-map": {str(id_): CLASSES[id_] for id_ in used},
            "type": "groundtruth/object-detection",
            "objects": [{"confidence": draw(st.integers(0, 100)) / 100} for _ in annotations],
        }
        value = {"annotations": annotations, "image_size": [{"width": width, "height": height, "depth": 3}]}
        folder = draw(st.sampled_from(["", "a/", "a/b/"]))
        lines.append({"source-ref": f"{ROOT}{folder}{number}.png", "label": value, "label-metadata": metadata})
    return lines


@contextlib.contextmanager
def written(lines: list[dict[str, Any]]) -> Iterator[Path]:
    with TemporaryDirectory() as name:
        path = Path(name) / "output.manifest"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        yield path


def draw_images(lines: list[dict[str, Any]], root: str, below: Path) -> None:
    for line in lines:
        size = line["label"]["image_size"][0]
        path = below / line["source-ref"].removeprefix(root)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (size["width"], size["height"])).save(path)


# COCO


def read_coco(path: Path, root: str) -> Boxes:
    from pycocotools.coco import COCO

    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(path))
    found: Boxes = {}
    for image_id, image in coco.imgs.items():
        found[root + image["file_name"]] = [
            (coco.cats[a["category_id"]]["name"], tuple(a["bbox"]), a.get("score"))
            for a in coco.loadAnns(coco.getAnnIds(imgIds=[image_id]))
        ]
    return found


@given(manifests())
def test_pycocotools_reads_what_the_manifest_says_and_the_way_back_leads_home(lines: list[dict[str, Any]]) -> None:
    with written(lines) as manifest:
        done = convert_labels(manifest, manifest.with_name("coco.json"), to="coco")
        assert done.left == {}
        near(read_coco(done.output, done.root), boxes_in(manifest, "label"), 0)
        back = manifest.with_name("back.manifest")
        count = import_labels(done.output, back, of="coco", prefix=done.root, attribute="label")
        assert count == len(lines) == done.objects
        near(boxes_in(back, "label"), boxes_in(manifest, "label"), 0)
        again = convert_labels(back, manifest.with_name("again.json"), to="coco")
        near(read_coco(again.output, again.root), read_coco(done.output, done.root), 0)


def test_a_real_output_is_the_same_to_pycocotools(folder: Path) -> None:
    done = convert_labels(DATA / "boxes.manifest", folder / "coco.json", to="coco")
    assert done.root == "s3://rns-groundtruth-bucket/ground-truth-od-full-demo/images/"
    near(read_coco(done.output, done.root), boxes_in(DATA / "boxes.manifest", "category"), 0)


def test_a_coco_file_can_be_evaluated(folder: Path) -> None:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    done = convert_labels(DATA / "boxes.manifest", folder / "coco.json", to="coco")
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(done.output))
        evaluation = COCOeval(truth, truth.loadRes(truth.dataset["annotations"]), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1)


def test_polygons_are_outlines_in_coco(folder: Path) -> None:
    from pycocotools.coco import COCO

    value = json.loads((DATA / "crowd-polygon.json").read_text())
    line = {"source-ref": ROOT + "1.png", "label": value, "label-metadata": {"type": "groundtruth/custom"}}
    with written([line]) as manifest:
        done = convert_labels(manifest, folder / "coco.json", to="coco")
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(done.output))
    dog = coco.loadAnns(coco.getAnnIds(catIds=coco.getCatIds(catNms=["dog"])))[0]
    assert dog["bbox"] == [570, 239, 331, 406]
    assert coco.annToMask(dog).sum() == pytest.approx(dog["area"], rel=0.01)


COLORS = [(255, 255, 255), (0x2C, 0xA0, 0x2C), (0x1F, 0x77, 0xB4), (0xFF, 0x7F, 0x0E)]
"""Of the classes of the real mask, in its order."""


def png(pixels: list[list[int]], mode: str = "RGB") -> bytes:
    image = Image.new("P", (len(pixels[0]), len(pixels)))
    image.putpalette([edge for color in COLORS for edge in color])
    image.putdata([number for row in pixels for number in row])
    out = io.BytesIO()
    image.convert(mode).save(out, "PNG") if mode != "P" else image.save(out, "PNG")
    return out.getvalue()


@given(
    st.integers(1, 7).flatmap(
        lambda n: st.lists(st.lists(st.integers(0, 3), min_size=n, max_size=n), min_size=1, max_size=7)
    ),
    st.sampled_from(["RGB", "RGBA", "P"]),
)
def test_pycocotools_reads_the_pixels_of_a_mask(pixels: list[list[int]], mode: str) -> None:
    from pycocotools.coco import COCO

    manifest = DATA / "segmentation.manifest"
    with TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        done = convert_labels(manifest, Path(folder) / "coco.json", to="coco", fetch=lambda uri: png(pixels, mode))
        coco = COCO(str(done.output))
    assert done.classes == ["BACKGROUND", "IC", "resistor1", "resistor2"]
    found = {coco.cats[a["category_id"]]["name"]: a for a in coco.anns.values()}
    present = {number for row in pixels for number in row}
    assert found.keys() == {done.classes[number] for number in present if number}
    for name, annotation in found.items():
        expected = [[int(done.classes[number] == name) for number in row] for row in pixels]
        assert coco.annToMask(annotation).tolist() == expected
        assert annotation["area"] == sum(map(sum, expected))
        xs = [x for row in expected for x, inside in enumerate(row) if inside]
        ys = [y for y, row in enumerate(expected) if any(row)]
        assert annotation["bbox"] == [min(xs), min(ys), max(xs) - min(xs) + 1, max(ys) - min(ys) + 1]
    [image] = coco.imgs.values()
    assert (image["width"], image["height"]) == (len(pixels[0]), len(pixels))


@pytest.mark.parametrize("content", [b"", b"no picture", png([[0]])[:40], None])
def test_a_mask_that_cannot_be_read_is_counted(folder: Path, content: bytes | None) -> None:
    def fetch(uri: str) -> bytes:
        if content is None:
            raise FileNotFoundError(uri)
        return content

    with pytest.raises(Refused, match="1 masks that cannot be read"):
        convert_labels(DATA / "segmentation.manifest", folder / "coco.json", to="coco", fetch=fetch)
    assert list(folder.iterdir()) == []


# YOLO and Pascal VOC


def read_supervision(dataset: Any, images: Path, root: str) -> Boxes:
    found: Boxes = {}
    for path, _, detections in dataset:
        boxes = zip(detections.xyxy.tolist(), detections.class_id.tolist(), strict=True)
        found[root + Path(path).relative_to(images).as_posix()] = [
            (dataset.classes[number], (x1, y1, x2 - x1, y2 - y1), None) for (x1, y1, x2, y2), number in boxes
        ]
    return found


def flat(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**line, "source-ref": ROOT + line["source-ref"].rpartition("/")[2]} for line in lines]


@settings(max_examples=25)
@given(manifests())
def test_an_independent_reader_of_yolo_agrees_and_the_way_back_leads_home(lines: list[dict[str, Any]]) -> None:
    import supervision

    lines = flat(lines)
    with written(lines) as manifest:
        done = convert_labels(manifest, manifest.with_name("yolo"), to="yolo")
        draw_images(lines, done.root, done.output / "images")
        expected = boxes_in(manifest, "label")
        if done.classes:
            dataset = supervision.DetectionDataset.from_yolo(
                str(done.output / "images"), str(done.output / "labels"), str(done.output / "data.yaml")
            )
            assert dataset.classes == done.classes
            near(read_supervision(dataset, done.output / "images", done.root), expected, 1e-4, confidence=False)
        back = manifest.with_name("back.manifest")
        images = done.output / "images"
        import_labels(done.output, back, of="yolo", prefix=done.root, attribute="label", images=images)
        near(boxes_in(back, "label"), expected, 1e-6, confidence=False)


@settings(max_examples=25)
@given(manifests())
def test_an_independent_reader_of_pascal_voc_agrees_and_the_way_back_leads_home(lines: list[dict[str, Any]]) -> None:
    import supervision

    lines = flat(lines)
    with written(lines) as manifest:
        done = convert_labels(manifest, manifest.with_name("voc"), to="voc")
        draw_images(lines, done.root, done.output / "JPEGImages")
        expected = boxes_in(manifest, "label")
        dataset = supervision.DetectionDataset.from_pascal_voc(
            str(done.output / "JPEGImages"), str(done.output / "Annotations")
        )
        near(read_supervision(dataset, done.output / "JPEGImages", done.root), expected, 1e-4, confidence=False)
        back = manifest.with_name("back.manifest")
        import_labels(done.output, back, of="voc", prefix=done.root, attribute="label")
        near(boxes_in(back, "label"), expected, 1e-5, confidence=False)


@settings(max_examples=25)
@given(manifests())
def test_images_in_folders_come_back_from_every_format(lines: list[dict[str, Any]]) -> None:
    with written(lines) as manifest:
        for name, images in (("yolo", "images"), ("voc", "JPEGImages")):
            done = convert_labels(manifest, manifest.with_name(name), to=name)
            draw_images(lines, done.root, done.output / images)
            back = manifest.with_name(f"{name}.manifest")
            where = done.output / images
            import_labels(done.output, back, of=name, prefix=done.root, attribute="label", images=where)
            near(boxes_in(back, "label"), boxes_in(manifest, "label"), 1e-5, confidence=False)


def test_yolo_keeps_what_is_inside_of_the_image_and_counts_the_rest(folder: Path) -> None:
    boxes = [(-10, 10, 20, 20), (90, 40, 20, 20), (200, 0, 5, 5), (5, 5, 0, 5)]
    annotations = [dict(zip(("left", "top", "width", "height"), box, strict=True), class_id=0) for box in boxes]
    value = {"annotations": annotations, "image_size": [{"width": 100, "height": 50}]}
    line = {"source-ref": ROOT + "1.png", "label": value, "label-metadata": {"class-map": {"0": "car"}}}
    with written([line]) as manifest:
        done = convert_labels(manifest, folder / "yolo", to="yolo")
    text = (folder / "yolo" / "labels" / "1.txt").read_text()
    assert text == "0 0.05 0.4 0.1 0.4\n0 0.95 0.9 0.1 0.2\n"
    assert done.left == {"boxes outside of their image, or without an area": 2}


def polygons_in(size: tuple[int, int], *outlines: list[tuple[float, float]]) -> dict[str, Any]:
    polygons = [{"label": "a", "vertices": [{"x": x, "y": y} for x, y in outline]} for outline in outlines]
    value = {"polygon": {"polygons": polygons, "inputImageProperties": {"width": size[0], "height": size[1]}}}
    return {"source-ref": ROOT + "1.png", "label": value, "label-metadata": {"type": "groundtruth/custom"}}


def test_an_independent_reader_of_yolo_outlines_sees_the_pixels_that_pycocotools_sees(folder: Path) -> None:
    import supervision
    from pycocotools.coco import COCO

    value = json.loads((DATA / "crowd-polygon.json").read_text())
    line = {"source-ref": ROOT + "1.png", "label": value, "label-metadata": {"type": "groundtruth/custom"}}
    with written([line]) as manifest:
        done = convert_labels(manifest, folder / "yolo", to="yolo-seg")
        other = convert_labels(manifest, folder / "coco.json", to="coco")
    (done.output / "images").mkdir()
    Image.new("L", (1280, 853)).save(done.output / "images" / "1.png")
    dataset = supervision.DetectionDataset.from_yolo(
        str(done.output / "images"), str(done.output / "labels"), str(done.output / "data.yaml"), force_masks=True
    )
    [(_, _, detections)] = list(dataset)
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(other.output))
    assert detections.mask is not None
    seen = {dataset.classes[at]: mask for at, mask in zip(detections.class_id, detections.mask, strict=True)}
    assert seen.keys() == {"cat", "dog"}
    for name, mask in seen.items():
        expected = coco.annToMask(coco.loadAnns(coco.getAnnIds(catIds=coco.getCatIds(catNms=[name])))[0]).astype(bool)
        assert (mask & expected).sum() / (mask | expected).sum() > 0.98


@pytest.mark.parametrize(
    ("outline", "told"),
    [
        ([(1, 2), (9, 2), (9, 8)], "0 0.1 0.2 0.9 0.2 0.9 0.8"),
        ([(-5, -5), (5, -5), (5, 5), (-5, 5)], "0 0 0 0.5 0 0.5 0.5 0 0.5"),
        ([(5, 5), (15, 5), (15, 15), (5, 15)], "0 1 0.5 1 1 0.5 1 0.5 0.5"),
    ],
)
def test_an_outline_is_cut_at_the_edges_of_the_image(
    folder: Path, outline: list[tuple[float, float]], told: str
) -> None:
    gone = [[(20, 1), (30, 1), (30, 9)], [(1, 1), (5, 5), (9, 9)], [(1, 1), (2, 2)]]
    with written([polygons_in((10, 10), outline, *gone)]) as manifest:
        done = convert_labels(manifest, folder / "yolo", to="yolo-seg")
    line = (done.output / "labels" / "1.txt").read_text().split()
    corners, expected = ({*zip(text[1::2], text[2::2], strict=True)} for text in (line, told.split()))
    assert (corners, len(line)) == (expected, len(told.split()))
    assert done.left == {"polygons outside of their image, or without an area": 3}


coordinates = st.integers(-30, 40)


@given(st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=8))
def test_what_is_cut_from_an_outline_covers_what_it_covered_in_the_image(outline: list[tuple[int, int]]) -> None:
    def covers(points: tuple[tuple[float, float], ...], x: float, y: float) -> bool:
        """By the even-odd rule."""
        inside = False
        for (x1, y1), (x2, y2) in zip(points, (*points[1:], *points[:1]), strict=True):
            if (y1 > y) != (y2 > y) and x < x1 + (y - y1) * (x2 - x1) / (y2 - y1):
                inside = not inside
        return inside

    part = clipped_outline(Polygon(tuple(outline)), (10, 10))
    points = () if part is None else part.points
    assert all(0 <= edge <= 10 for point in points for edge in point)
    for x, y in ((x + 0.37, y + 0.41) for x in range(0, 10, 3) for y in range(0, 10, 3)) if part else ():
        assert covers(points, x, y) == covers(tuple(outline), x, y)


def test_annotations_that_cannot_be_read_or_held_are_counted_in_every_format(folder: Path) -> None:
    box = {"class_id": 0, "left": 1, "top": 1, "width": 2, "height": 2}
    annotations = [box, {"class_id": 0, "x": 1, "y": 2}, {"class_id": 0, "left": 1}]
    value = {"annotations": annotations, "image_size": [{"width": 9, "height": 9}]}
    line = {"source-ref": ROOT + "1.png", "label": value, "label-metadata": {"class-map": {"0": "car"}}}
    with written([line]) as manifest:
        for name in ("coco", "yolo", "voc", "hf"):
            done = convert_labels(manifest, folder / name, to=name)
            assert done.left == {"key points": 1, "boxes that cannot be read": 1}, name


def test_yolo_leaves_out_images_of_unknown_size(folder: Path) -> None:
    value = {"annotations": [{"class_id": 0, "left": 1, "top": 1, "width": 2, "height": 2}]}
    line = {"source-ref": ROOT + "1.png", "label": value, "label-metadata": {"class-map": {"0": "car"}}}
    sized = {**line, "source-ref": ROOT + "2.png", "label": {**value, "image_size": [{"width": 9, "height": 9}]}}
    with written([line, sized]) as manifest:
        done = convert_labels(manifest, folder / "yolo", to="yolo")
    assert (done.objects, done.left) == (1, {"images of unknown size (--images DIR tells it)": 1})
    with written([line]) as manifest, pytest.raises(Refused, match="1 images of unknown size"):
        convert_labels(manifest, folder / "none", to="yolo")
    assert [path.name for path in folder.iterdir()] == ["yolo"]


def test_images_here_tell_the_sizes_that_labels_do_not(folder: Path) -> None:
    value = {"annotations": [{"class_id": 0, "left": 10, "top": 20, "width": 40, "height": 40}]}
    names = ["2/a.png", "2/b.png", "2/broken.png", "2/missing.png"]
    metadata = {"class-map": {"0": "car"}}
    lines = [{"source-ref": ROOT + name, "label": value, "label-metadata": metadata} for name in (*names, "1/a.png")]
    known = {**value, "image_size": [{"width": 400, "height": 400}]}
    lines.append({"source-ref": ROOT + "1/b.png", "label": known, "label-metadata": metadata})
    images = folder / "images"
    for name, size in (("2/a.png", (100, 80)), ("2/b.png", (200, 80)), ("1/a.png", (50, 80)), ("1/b.png", (9, 9))):
        (images / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", size).save(images / name)
    (images / "2/broken.png").write_bytes(b"no image")
    with written(lines) as manifest:
        done = {
            name: convert_labels(manifest, folder / name, to=name, images=images) for name in ("yolo", "coco", "voc")
        }
    assert done["yolo"].left == {"images of unknown size (--images DIR tells it)": 2}
    widths = {p.relative_to(folder / "yolo/labels"): p.read_text().split()[3] for p in folder.rglob("labels/**/*.txt")}
    assert {str(name): width for name, width in widths.items()} == {
        "2/a.txt": "0.4",
        "2/b.txt": "0.2",
        "1/a.txt": "0.8",
        "1/b.txt": "0.1",
    }
    coco = {image["file_name"]: image.get("width") for image in json.loads(done["coco"].output.read_text())["images"]}
    assert coco == {"2/a.png": 100, "2/b.png": 200, "2/broken.png": None, "2/missing.png": None} | {
        "1/a.png": 50,
        "1/b.png": 400,
    }
    assert "<width>100</width>" in (folder / "voc/Annotations/2/a.xml").read_text()


def test_what_an_annotation_says_besides_is_kept_by_coco_and_counted_by_the_others(folder: Path) -> None:
    line = json.loads((DATA / "documented.manifest").read_text().splitlines()[6])
    content = (DATA / "video-detection-SeqLabel.json").read_bytes()
    with written([line]) as manifest:
        done = {
            to: convert_labels(manifest, folder / to, to=to, fetch=lambda _: content) for to in ("coco", "voc", "hf")
        }
    frames = json.loads(content)["detection-annotations"]
    said = [box["label-category-attributes"] for frame in frames for box in frame["annotations"]]
    assert said.count({}) == 1
    kept = [box.get("attributes", {}) for box in json.loads(done["coco"].output.read_text())["annotations"]]
    assert [attributes.get("label-category-attributes", {}) for attributes in kept] == said
    assert done["coco"].left == {}
    assert done["voc"].left == done["hf"].left == {"annotations' further attributes": 3}


def test_spans_that_cannot_be_read_are_counted(folder: Path) -> None:
    entities = [{"startOffset": 0, "endOffset": 3, "label": "Person"}, {"startOffset": "4", "label": "Person"}]
    line = {"source": "Bob", "label": {"annotations": {"entities": entities}}}
    with written([{**line, "label-metadata": {"type": "groundtruth/text-span"}}]) as manifest:
        done = convert_labels(manifest, folder / "hf", to="hf")
    assert done.left == {"spans that cannot be read": 1}
    [row] = [json.loads(text) for text in (done.output / "data.jsonl").read_text().splitlines()]
    assert row["entities"] == [{"start": 0, "end": 3, "label": "Person"}]


def test_images_whose_names_differ_in_the_ending_alone_are_named(folder: Path) -> None:
    value = {"annotations": [], "image_size": [{"width": 9, "height": 9}]}
    lines = [{"source-ref": ROOT + f"1.{end}", "label": value, "label-metadata": {}} for end in ("png", "jpg")]
    with written(lines) as manifest:
        for name in ("yolo", "voc"):
            done = convert_labels(manifest, folder / name, to=name)
            assert done.left == {"images whose name differs from another one's in the ending alone": 1}
            assert (done.objects, done.clashing, done.summary()["clashing"]) == (1, ["1.jpg"], ["1.jpg"])


# Tables


def test_csv_has_a_row_for_each_annotation_of_a_real_output(folder: Path) -> None:
    done = convert_labels(DATA / "boxes.manifest", folder / "boxes.csv", to="csv")
    with done.output.open(newline="") as file:
        rows = list(csv.DictReader(file))
    found: Boxes = defaultdict(list)
    for row in rows:
        box = tuple(float(row[name]) for name in ("left", "top", "width", "height"))
        found[row["source"]].append((row["class"], box, float(row["confidence"])))
    near(dict(found), boxes_in(DATA / "boxes.manifest", "category"), 0)


@pytest.mark.parametrize("name", ["csv", "jsonl"])
def test_tables_hold_every_type_and_every_attribute(folder: Path, name: str) -> None:
    done = convert_labels(DATA / "documented.manifest", folder / "all", to=name)
    assert done.left == {}
    with done.output.open(newline="") as file:
        rows = list(csv.DictReader(file)) if name == "csv" else [json.loads(line) for line in file]
    assert len({row["attribute"] for row in rows}) == 12
    [sequence, *_] = [row for row in rows if row["attribute"] == "CarObjectTracking-ref"]
    assert sequence["value"].endswith("/SeqLabel.json")


def test_an_unknown_type_is_carried_into_the_tables(folder: Path) -> None:
    metadata = {"type": "acme/stars", "reviewer": "rosa"}
    with written([{"source-ref": ROOT + "1.png", "label": {"stars": 5}, "label-metadata": metadata}]) as manifest:
        done = convert_labels(manifest, folder / "all.jsonl", to="jsonl")
        [line] = [json.loads(line) for line in done.output.read_text().splitlines()]
        assert (line["type"], line["value"], line["metadata"]) == ("acme/stars", {"stars": 5}, metadata)
        done = convert_labels(manifest, folder / "all.csv", to="csv")
        with done.output.open(newline="") as file:
            [row] = csv.DictReader(file)
        assert (row["type"], json.loads(row["value"])) == ("acme/stars", {"stars": 5})


def test_named_entities_have_the_common_form_in_json_lines(folder: Path) -> None:
    done = convert_labels(DATA / "entities.manifest", folder / "all.jsonl", to="jsonl")
    first = json.loads(done.output.read_text().splitlines()[0])
    assert first["text"].startswith("Bob was born")
    assert first["entities"][1] == {"start": 0, "end": 3, "label": "Person", "confidence": 0.08}
    assert first["text"][0:3] == "Bob"


# Hugging Face


def load(folder: Path, cache: Path) -> Any:
    os.environ["HF_HUB_OFFLINE"] = "1"
    from datasets import load_dataset
    from datasets.utils.logging import disable_progress_bar

    disable_progress_bar()
    return load_dataset(str(folder), cache_dir=str(cache), split="train")


def test_datasets_loads_boxes_with_their_images(folder: Path) -> None:
    box = {"left": 1, "top": 2, "width": 3.5, "height": 4}
    lines = [
        {
            "source-ref": f"{ROOT}{number}.png",
            "label": {
                "annotations": [{"class_id": id_, **box} for id_ in ids],
                "image_size": [{"width": 20, "height": 10 + number}],
            },
            "label-metadata": {"class-map": {"0": "car", "4": "bus"}, "type": "groundtruth/object-detection"},
        }
        for number, ids in enumerate([[0, 4], []])
    ]
    with written(lines) as manifest:
        done = convert_labels(manifest, folder / "hf", to="hf")
    draw_images(lines, done.root, done.output)
    loaded = load(done.output, folder / "cache")
    assert loaded[0]["objects"] == {"bbox": [[1, 2, 3.5, 4]] * 2, "categories": ["car", "bus"]}
    assert loaded[1]["objects"] == {"bbox": [], "categories": []}
    assert [row["image"].size for row in loaded] == [(20, 10), (20, 11)] == [(r["width"], r["height"]) for r in loaded]


def test_datasets_loads_classes_of_a_real_output(folder: Path) -> None:
    done = convert_labels(VEHICLES, folder / "hf", to="hf")
    for line in VEHICLES.read_text().splitlines():
        Image.new("RGB", (2, 2)).save(done.output / json.loads(line)["source-ref"].removeprefix(done.root))
    loaded = load(done.output, folder / "cache")
    counts = {"Airplane": 3, "Car": 1, "Ferry": 2, "Helicopter": 2, "Motorbike": 2}
    assert Counter(loaded["label"]) == counts
    assert done.classes == list(counts)
    numbered = loaded.class_encode_column("label")
    assert Counter(numbered.features["label"].int2str(numbered["label"])) == counts


def test_datasets_loads_named_entities_and_several_classes_of_texts(folder: Path) -> None:
    done = convert_labels(DATA / "entities.manifest", folder / "entities", to="hf")
    loaded = load(done.output, folder / "cache")
    tags = loaded.features["ner_tags"].feature.names
    assert tags == ["O", "B-Date", "I-Date", "B-Location", "I-Location", "B-Person", "I-Person"]
    pairs = [(t, tags[n]) for t, n in zip(loaded[0]["tokens"], loaded[0]["ner_tags"], strict=True)]
    assert [pair for pair in pairs if pair[1] != "O"] == [
        ("Bob", "B-Person"),
        ("Jan", "B-Date"),
        ("1", "I-Date"),
        ("Minneapolis", "B-Location"),
        (".", "I-Location"),
    ]
    entity = loaded[1]["entities"][0]
    assert (loaded[1]["text"][entity["start"] : entity["end"]], entity["label"]) == ("Jan 1 1990", "Date")
    done = convert_labels(DATA / "text-multilabel.manifest", folder / "classes", to="hf")
    loaded = load(done.output, folder / "cache")
    names = loaded.features["labels"].feature.names
    assert [[names[number] for number in row["labels"]] for row in loaded] == [
        ["optimism"],
        ["optimism"],
        ["anger", "optimism"],
    ]


# What is refused, and what is left out


@pytest.mark.parametrize(
    ("file", "to", "value"),
    [
        ("segmentation.manifest", "yolo", "4 × classes of masks"),
        ("segmentation.manifest", "coco", "1 labels of groundtruth/semantic-segmentation"),
        ("entities.manifest", "coco", "5 × spans"),
        ("text-multilabel.manifest", "voc", "4 × classes"),
        ("segmentation.manifest", "hf", "4 × classes of masks"),
    ],
)
def test_what_a_format_cannot_hold_is_refused_with_its_counts(folder: Path, file: str, to: str, value: str) -> None:
    with pytest.raises(Refused) as refusal:
        convert_labels(DATA / file, folder / "out", to=to)
    [problem] = refusal.value.problems
    assert problem.rule.startswith(FORMATS[to].title)
    assert value in problem.value
    assert problem.mend.endswith("--to jsonl and --to csv hold everything")
    assert list(folder.iterdir()) == []


def test_of_several_attributes_one_must_be_named(folder: Path) -> None:
    line = (DATA / "documented.manifest").read_text().splitlines()[3]
    (folder / "chained").write_text(line)
    with pytest.raises(Refused) as refusal:
        convert_labels(folder / "chained", folder / "coco.json", to="coco")
    assert refusal.value.problems[0].value == "adjusted-bounding-box (1), bounding-box (1)"
    done = convert_labels(folder / "chained", folder / "coco.json", to="coco", attribute="adjusted-bounding-box")
    assert json.loads(done.output.read_text())["annotations"][0]["bbox"] == [110, 135, 61, 128]


@pytest.mark.parametrize(
    ("to", "more", "place"),
    [
        ("xml", {}, "to"),
        ("coco", {"attribute": "nothing"}, "manifest"),
        ("coco", {"classes": ["Cat"]}, "classes"),
        ("coco", {"classes": ["Bird", "Cat", "Bird"]}, "classes"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(folder: Path, to: str, more: Any, place: str) -> None:
    with pytest.raises(Refused) as refusal:
        convert_labels(DATA / "boxes.manifest", folder / "out", to=to, **more)
    assert refusal.value.problems[0].place == place
    assert list(folder.iterdir()) == []


def test_nothing_is_written_over(folder: Path) -> None:
    (folder / "out").write_text("mine")
    with pytest.raises(Refused, match="nothing was converted"):
        convert_labels(DATA / "boxes.manifest", folder / "out", to="coco")
    assert (folder / "out").read_text() == "mine"
    with pytest.raises(Refused, match="nothing to read"):
        convert_labels(folder / "none", folder / "new", to="coco")


def test_what_breaks_off_leaves_nothing_behind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise KeyboardInterrupt

    for name in ("coco", "yolo"):
        monkeypatch.setattr(FORMATS[name].writer, "close", broken)
        with pytest.raises(KeyboardInterrupt):
            convert_labels(DATA / "boxes.manifest", folder / "out", to=name)
    assert list(folder.iterdir()) == []


def test_failed_repeated_and_bad_lines_are_left_out_and_counted(folder: Path) -> None:
    box = {"class_id": 0, "left": 1, "top": 1, "width": 2, "height": 2}
    value = {"annotations": [box], "image_size": [{"width": 9, "height": 9}]}
    meta = {"class-map": {"0": "car"}, "type": "groundtruth/object-detection"}
    lines: list[Any] = [
        {"source-ref": ROOT + "1.png", "label": value, "label-metadata": meta},
        {"source-ref": ROOT + "1.png", "label": {**value, "annotations": []}, "label-metadata": meta},
        {"source-ref": ROOT + "2.png", "label-metadata": {"failure-reason": "dark"}},
        {"source-ref": ROOT + "3.png", "label-metadata": {"job-name": "signs"}},
        7,
        {"source-ref": ROOT + "4.png", "label": value, "label-metadata": meta},
    ]
    with written(lines) as manifest:
        done = convert_labels(manifest, folder / "coco.json", to="coco")
    assert read_coco(done.output, ROOT) == {ROOT + "1.png": [], ROOT + "4.png": [("car", (1, 1, 2, 2), None)]}
    assert done.left == {
        "labels of objects that have a later one": 1,
        "objects that failed": 1,
        "objects without a label": 1,
        "lines that cannot be read": 1,
    }


def test_video_frames_become_images_where_their_file_is_fetched(folder: Path) -> None:
    line = json.loads((DATA / "documented.manifest").read_text().splitlines()[6])
    with written([line]) as manifest:
        with pytest.raises(Refused, match="--follow reads the files"):
            convert_labels(manifest, folder / "coco.json", to="coco")
        content = (DATA / "video-detection-SeqLabel.json").read_bytes()
        done = convert_labels(manifest, folder / "coco.json", to="coco", fetch=lambda uri: content)
    found = read_coco(done.output, "")
    assert {name: len(boxes) for name, boxes in found.items()} == {
        "input-manifest/frame_0000.jpeg": 2,
        "input-manifest/frame_0001.jpeg": 2,
    }


def test_video_frames_are_named_as_the_input_says_where_they_lie(folder: Path) -> None:
    """The sequence file of the input is that of the developer guide, "Create a Video Frame Input Manifest File"."""
    line = json.loads((DATA / "documented.manifest").read_text().splitlines()[6])
    frames = [{"frame-no": number, "frame": f"frame_{number:04}.jpeg"} for number in range(2)]
    sequence = {"seq-no": 1, "prefix": "s3://videos/one/frames", "number-of-frames": 2, "frames": frames}
    held = {
        line["source-ref"]: json.dumps(sequence).encode(),
        line["CarObjectDetection-ref"]: (DATA / "video-detection-SeqLabel.json").read_bytes(),
    }
    with written([line]) as manifest:
        done = convert_labels(manifest, folder / "coco.json", to="coco", fetch=held.__getitem__)
    assert done.root == "s3://videos/one/frames/"
    images = json.loads(done.output.read_text())["images"]
    assert [(image["file_name"], image["coco_url"]) for image in images] == [
        (f"frame_000{number}.jpeg", f"s3://videos/one/frames/frame_000{number}.jpeg") for number in range(2)
    ]


def test_a_frame_with_nothing_in_it_is_an_image_in_every_format(folder: Path) -> None:
    line = json.loads((DATA / "documented.manifest").read_text().splitlines()[6])
    sequence = json.loads((DATA / "video-detection-SeqLabel.json").read_text())
    sequence["detection-annotations"][0]["frame-attributes"] = {"weather": "rain"}
    sequence["detection-annotations"].append({"annotations": [], "frame-no": "2", "frame": "frame_0002.jpeg"})
    frames = [f"input-manifest/frame_000{number}" for number in range(3)]
    for frame in frames:
        (folder / "images" / frame).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (960, 540)).save(folder / "images" / f"{frame}.jpeg")
    with written([line]) as manifest:
        done = {
            to: convert_labels(
                manifest,
                folder / to,
                to=to,
                fetch=lambda _: json.dumps(sequence).encode(),
                images=folder / "images",
            )
            for to in FORMATS
            if to != "yolo-seg"
        }
    images = json.loads(done["coco"].output.read_text())["images"]
    assert [(image["file_name"], image.get("attributes")) for image in images] == [
        (f"{frames[0]}.jpeg", {"frame-attributes": {"weather": "rain"}}),
        (f"{frames[1]}.jpeg", None),
        (f"{frames[2]}.jpeg", None),
    ]
    for to, ending in (("yolo", "txt"), ("voc", "xml")):
        files = sorted((folder / to).rglob(f"*.{ending}"))
        assert [str(file.relative_to(folder / to / file.parts[-3]).with_suffix("")) for file in files] == frames
    assert (folder / f"yolo/labels/{frames[2]}.txt").read_text() == ""
    rows = [json.loads(text) for text in (folder / "hf/metadata.jsonl").read_text().splitlines()]
    assert [len(row["objects"]["bbox"]) for row in rows] == [2, 2, 0]
    assert [done[to].left["frames' attributes"] for to in ("coco", "yolo", "voc", "hf")] == [0, 1, 1, 1]
    told = json.loads((folder / "jsonl").read_text())["frames"]
    assert told[0] == {"frame": "frame_0000.jpeg", "frame-attributes": {"weather": "rain"}}
    assert [frame["frame"] for frame in told] == [f"frame_000{number}.jpeg" for number in range(3)]
    with (folder / "csv").open(newline="") as file:
        table = [(row["frame"], row["class"]) for row in csv.DictReader(file)]
    assert [row for row in table if not row[1]] == [("frame_0000.jpeg", ""), ("frame_0002.jpeg", "")]
    assert len(table) == 6


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_manifest_gives_the_same_bytes(folder: Path, name: str) -> None:
    contents = []
    manifest = DATA / "boxes.manifest"
    if name == "yolo-seg":
        manifest = folder / "outlines.manifest"
        manifest.write_text(json.dumps(polygons_in((10, 10), [(1, 2), (9, 2), (9, 8)])))
    for run in ("one", "two"):
        output = convert_labels(manifest, folder / run, to=name).output
        files = sorted(output.rglob("*")) if output.is_dir() else [output]
        contents.append([(f.relative_to(output), f.read_bytes()) for f in files if f.is_file()])
    assert contents[0] == contents[1]


def test_classes_are_numbered_as_the_class_map_numbers_them_or_as_one_says(folder: Path) -> None:
    line = (DATA / "documented.manifest").read_text().splitlines()[3]
    (folder / "dogs").write_text(line)
    done = convert_labels(folder / "dogs", folder / "1", to="yolo", attribute="bounding-box")
    assert done.classes == ["dog", "bone"]
    assert [row[0] for row in (folder / "1/labels/S3 bucket location.txt").read_text().splitlines()] == ["0", "1", "1"]
    classes = ["cat", "bone", "dog"]
    convert_labels(folder / "dogs", folder / "2", to="yolo", attribute="bounding-box", classes=classes)
    assert [row[0] for row in (folder / "2/labels/S3 bucket location.txt").read_text().splitlines()] == ["2", "1", "1"]


def test_the_memory_of_a_conversion_does_not_grow_with_the_manifest(folder: Path) -> None:
    line = (DATA / "boxes.manifest").read_text().splitlines()[1]
    peaks = []
    for count in (500, 2_000):
        manifest = folder / f"{count}.manifest"
        manifest.write_text("".join(line.replace("000411001ff7dd4f", f"{n:07}") + "\n" for n in range(count)))
        tracemalloc.start()
        convert_labels(manifest, folder / f"{count}.json", to="coco")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert manifest.stat().st_size > 1 << 20
    assert peaks[1] < 1.1 * peaks[0]


def test_conversions_need_the_standard_library_alone(folder: Path) -> None:
    blocked = "import sys; sys.modules |= dict.fromkeys(['boto3', 'botocore', 'typer', 'rich', 'PIL', 'aws_cdk'])"
    call = f"from gtplus_cli.labels import convert_labels; convert_labels({str(VEHICLES)!r}, 'out.csv', to='csv')"
    path = os.pathsep.join([str(DATA.parents[2]), str(DATA.parents[2] / "lambdas")])
    run = [sys.executable, "-c", f"{blocked}; {call}"]
    subprocess.run(run, check=True, cwd=folder, env={**os.environ, "PYTHONPATH": path})
    assert (folder / "out.csv").exists()


# Names and bytes of others


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.text("./\\\0a", max_size=12))
def test_no_name_leads_out_of_the_folder(key: str) -> None:
    name = relative(ROOT + key, ROOT)
    assert name
    assert not name.startswith("/")
    assert not {"..", ".", ""} & set(name.split("/"))
    with TemporaryDirectory() as folder:
        path = Path(folder) / (name + ".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
        assert Path(folder).resolve() in path.resolve().parents


def test_a_key_of_any_length_has_a_file(folder: Path) -> None:
    for key in ("ß" * 500, "a" * 1_024 + ".png"):
        (folder / (relative(ROOT + key, ROOT) + ".part")).write_text("")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["class_id", "left", "top", "width", "height", "label"]), inner)
        | st.dictionaries(st.sampled_from(["annotations", "image_size", "polygons", "vertices", "entities"]), inner)
    ),
    max_leaves=12,
)
ENTRY = st.fixed_dictionaries(
    {"source-ref": st.text(max_size=8).map(ROOT.__add__) | st.text(max_size=8), "label": JSON},
    optional={
        "label-metadata": st.fixed_dictionaries(
            {"class-map": st.dictionaries(st.sampled_from(["0", "1"]), st.text(max_size=4))},
            optional={
                "type": st.sampled_from(["object-detection", "text-span", "custom"]).map("groundtruth/".__add__),
                "objects": JSON,
                "confidence": JSON,
            },
        )
    },
)


@settings(max_examples=60)
@given(st.lists(ENTRY | JSON, max_size=4), st.sampled_from(sorted(FORMATS)))
def test_whatever_a_manifest_holds_it_is_converted_or_refused(entries: list[Any], to: str) -> None:
    with written(entries) as manifest:
        try:
            done = convert_labels(manifest, manifest.with_name("out"), to=to)
        except Refused:
            return
        if to == "coco":
            read_coco(done.output, "")
        if to == "jsonl":
            assert len([json.loads(line) for line in done.output.read_text().splitlines()]) == done.objects


@given(st.lists(ENTRY | JSON, max_size=4))
def test_whatever_a_manifest_holds_it_is_checked_and_counted(entries: list[Any]) -> None:
    with written(entries) as manifest:
        report = check_labels(manifest, report=manifest.with_name("report"), inputs=manifest)
        told = [json.loads(line) for line in manifest.with_name("report").read_text().splitlines()]
        assert Counter(problem["kind"] for problem in told) == report.counts
        assert json.loads(json.dumps(report.summary()))["problems"] == len(told)
        counted = label_statistics(manifest)
        assert {name: s.labeled for name, s in counted.items()} == {n: s.labeled for n, s in report.statistics.items()}
        unread = sum(not isinstance(e, dict) or not e.get("source-ref") for e in entries)
        assert report.counts["line that cannot be read"] >= unread


@given(st.binary(max_size=200))
def test_whatever_bytes_come_they_are_converted_or_refused(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "manifest"
        path.write_bytes(content)
        check_labels(path)
        with contextlib.suppress(Refused):
            convert_labels(path, Path(folder) / "out", to="jsonl")


@given(JSON | st.dictionaries(st.sampled_from(["images", "annotations", "categories"]), JSON))
def test_whatever_a_coco_file_holds_it_is_read_or_refused(content: Any) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "coco.json"
        path.write_text(json.dumps(content))
        with contextlib.suppress(Refused):
            import_labels(path, Path(folder) / "out", of="coco", prefix=ROOT, attribute="label")


@pytest.mark.parametrize("of", ["yolo", "voc", "coco"])
@given(content=st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_whatever_files_there_are_they_are_read_or_refused(of: str, content: bytes) -> None:
    with TemporaryDirectory() as folder:
        labels = {"yolo": "labels/1.txt", "voc": "Annotations/1.xml", "coco": "coco.json"}[of]
        path = Path(folder) / labels
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        (Path(folder) / "data.yaml").write_bytes(content)
        source = path if of == "coco" else Path(folder)
        with pytest.raises(Refused):
            import_labels(source, Path(folder) / "out", of=of, prefix=ROOT, attribute="label")


@pytest.mark.parametrize(
    "names",
    [
        "names: [car, bus]",
        "names: ['car', \"bus\"]",
        "names:\n  0: car\n  1: bus\n",
        "names:\n- car\n- 'bus'\n",
        "nc: 2\nnames: {0: car, 1: bus}",
        'names: {"0": car, 1: "bus"}',
    ],
)
def test_the_classes_of_yolo_are_read_in_every_common_way(folder: Path, names: str) -> None:
    (folder / "labels").mkdir()
    (folder / "images").mkdir()
    (folder / "labels" / "1.txt").write_text("1 0.5 0.5 0.5 0.5 0.75\n")
    (folder / "data.yaml").write_text(names)
    Image.new("RGB", (20, 10)).save(folder / "images" / "1.jpg")
    out = folder / "back"
    import_labels(folder, out, of="yolo", prefix=ROOT, attribute="label", images=folder / "images")
    assert boxes_in(out, "label") == {ROOT + "1.jpg": [("bus", (5, 2.5, 10, 5), 0.75)]}
    assert json.loads(out.read_text())["label-metadata"]["human-annotated"] == "no"
