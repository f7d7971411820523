"""From the formats that others write to a manifest of labels: as pre-labels for a job to adjust, or as gold labels."""

import json
import re
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from errno import ENOSPC
from pathlib import Path
from typing import Any, NamedTuple

from gtplus_cli.labels.pictures import Sizes, sizes_in
from gtplus_runtime.labels.reading import METADATA
from gtplus_runtime.problems import Problem, Refused


class Drawn(NamedTuple):
    """A box as another format has it: class, left, top, width, height in pixels, and a score where a model drew it."""

    name: str
    box: tuple[float, float, float, float]
    score: float | None = None


class Drawing(NamedTuple):
    """An image with its boxes."""

    file_name: str
    size: tuple[float, float] | None
    boxes: list[Drawn]


def import_labels(
    source: str | Path,
    output: str | Path,
    *,
    of: str,
    prefix: str,
    attribute: str,
    images: Path | None = None,
    created: datetime | None = None,
) -> int:
    """Write boxes of another format as a manifest of labels, to be adjusted or compared with.

    Args:
        source: the COCO file, or the folder of the YOLO or Pascal VOC labels. A COCO file is read as a whole.
        output: the manifest to write.
        of: the format, one of `IMPORTS`.
        prefix: the S3 URI of the folder that holds the images, with a `/` at its end.
        attribute: the label attribute.
        images: the folder of the images here; YOLO needs it, since its numbers are shares of their sizes.
        created: the `creation-date` of the labels. Default: now.

    Returns:
        How many objects were written.

    Raises:
        Refused: the source is not what it should be.
    """
    if of not in IMPORTS:
        problem = Problem("from", f"one of {', '.join(IMPORTS)}", repr(of), "choose one of them")
        raise Refused(400, "there is no such format", [problem])
    if not (prefix.startswith("s3://") and prefix.endswith("/")):
        problem = Problem("prefix", "an S3 URI that ends in /", prefix, "write s3://bucket/folder/")
        raise Refused(400, "it is not clear where the images lie", [problem])
    when = (created or datetime.now(UTC)).replace(tzinfo=None).isoformat(timespec="microseconds")
    part = Path(f"{output}.part")
    try:
        classes, drawings = IMPORTS[of](Path(source), sizes_in(images) if images else lambda _: None)
        count = 0
        with part.open("w", encoding="ascii") as out:
            for drawing in drawings:
                out.write(json.dumps(_line(drawing, classes, prefix, attribute, when), separators=(",", ":")) + "\n")
                count += 1
        part.replace(output)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OSError, ElementTree.ParseError) as error:
        # A disk that is full names no file, and says nothing of the source.
        if isinstance(error, OSError) and error.errno == ENOSPC:
            raise
        reason = f"{type(error).__name__}: {error}"[:200]
        problem = Problem("source", f"labels in the format {of}", f"{source}: {reason}", "look at the file")
        raise Refused(400, "it could not be read", [problem]) from None
    finally:
        part.unlink(missing_ok=True)
    return count


def _line(drawing: Drawing, classes: list[str], prefix: str, attribute: str, when: str) -> dict[str, Any]:
    number = {name: at for at, name in enumerate(classes)}
    annotations = [
        {"class_id": number[name], **dict(zip(("left", "top", "width", "height"), box, strict=True))}
        for name, box, _ in drawing.boxes
    ]
    value: dict[str, Any] = {"annotations": annotations}
    if drawing.size:
        value["image_size"] = [{"width": drawing.size[0], "height": drawing.size[1], "depth": 3}]
    metadata = {
        "objects": [{"confidence": 0 if drawn.score is None else drawn.score} for drawn in drawing.boxes],
        "class-map": {str(number[name]): name for name in sorted({drawn.name for drawn in drawing.boxes})},
        "type": "groundtruth/object-detection",
        # A score is what a model says of its own work.
        "human-annotated": "no" if any(drawn.score is not None for drawn in drawing.boxes) else "yes",
        "creation-date": when,
        "job-name": f"import/{attribute}",
    }
    return {"source-ref": prefix + drawing.file_name, attribute: value, attribute + METADATA: metadata}


Imported = tuple[list[str], Iterator[Drawing]]


def _from_coco(path: Path, sizes: Sizes) -> Imported:
    content = json.loads(path.read_text(encoding="utf-8"))
    categories = {c["id"]: str(c["name"]) for c in sorted(content["categories"], key=lambda c: c["id"])}
    boxes: dict[Any, list[Drawn]] = defaultdict(list)
    for entry in content["annotations"]:
        left, top, width, height = (float(edge) for edge in entry["bbox"])
        drawn = Drawn(categories[entry["category_id"]], (left, top, width, height), entry.get("score"))
        boxes[entry["image_id"]].append(drawn)

    def drawings() -> Iterator[Drawing]:
        for image in content["images"]:
            known = (image["width"], image["height"]) if "width" in image else sizes(image["file_name"])
            yield Drawing(image["file_name"], known, boxes.get(image["id"], []))

    return list(dict.fromkeys(categories.values())), drawings()


def _from_voc(folder: Path, sizes: Sizes) -> Imported:
    files = sorted(_labels_below(folder, "Annotations", ".xml"))
    names = {found.text or "" for file in files for found in ElementTree.parse(file).iterfind("object/name")}  # noqa: S314

    def drawings() -> Iterator[Drawing]:
        for file in files:
            tree = ElementTree.parse(file)  # noqa: S314 - the user's own file, and expat bounds expansion
            name = tree.findtext("filename") or ""
            size = tree.find("size")
            known = (_number(size, "width"), _number(size, "height")) if size is not None else sizes(name)
            boxes = []
            for found in tree.iterfind("object"):
                corners = [_number(found.find("bndbox"), edge) for edge in ("xmin", "ymin", "xmax", "ymax")]
                box = (corners[0] - 1, corners[1] - 1, corners[2] - corners[0] + 1, corners[3] - corners[1] + 1)
                boxes.append(Drawn(found.findtext("name") or "", box))
            yield Drawing(name, known, boxes)

    return sorted(names), drawings()


def _number(element: ElementTree.Element | None, name: str) -> float:
    text = element.findtext(name) if element is not None else None
    if text is None:
        raise ValueError(f"no {name}")
    number = float(text)
    return int(number) if number == int(number) else number


def _from_yolo(folder: Path, sizes: Sizes) -> Imported:
    classes = _yolo_classes((folder / "data.yaml").read_text(encoding="utf-8"))
    files = sorted(_labels_below(folder, "labels", ".txt"))

    def drawings() -> Iterator[Drawing]:
        for file in files:
            stem = file.relative_to(folder / "labels").with_suffix("")
            name = _image_of(str(stem), sizes)
            size = sizes(name)
            if size is None:
                raise ValueError("YOLO's numbers are shares of the images' sizes: name the folder of the images")
            boxes = []
            for line in file.read_text().splitlines():
                number, *shares = line.split()
                x, y, width, height = (float(share) for share in shares[:4])
                box = ((x - width / 2) * size[0], (y - height / 2) * size[1], width * size[0], height * size[1])
                boxes.append(Drawn(classes[int(number)], box, float(shares[4]) if len(shares) == 5 else None))
            yield Drawing(name, size, boxes)

    return classes, drawings()


def _image_of(stem: str, sizes: Sizes) -> str:
    for ending in (".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG", ".webp", ".bmp"):
        try:
            sizes(stem + ending)
        except FileNotFoundError:
            continue
        return stem + ending
    raise FileNotFoundError(f"there is no image {stem}.*")


def _yolo_classes(text: str) -> list[str]:
    """The `names` of a `data.yaml`: a list or a mapping, in a block or on a line."""
    if found := re.search(r"^names:\s*(\[.*?\]|\{.*?\})\s*$", text, re.MULTILINE | re.DOTALL):
        entries = [entry for entry in re.split(r",\s*(?![^\"']*[\"'][^\"',]*$)", found.group(1)[1:-1].strip()) if entry]
    elif found := re.search(r"^names:\s*\n((?:[ \t]*(?:-|\d+:).*(?:\n|$))+)", text, re.MULTILINE):
        entries = [line.strip().removeprefix("-") for line in found.group(1).splitlines()]
    else:
        raise ValueError('data.yaml has no "names"')
    return [_scalar(re.sub(r"^\s*([\"']?)\d+\1\s*:", "", entry)) for entry in entries]


def _scalar(text: str) -> str:
    text = text.strip()
    if text.startswith('"'):
        return str(json.loads(text))
    return text[1:-1].replace("''", "'") if text.startswith("'") else text


def _labels_below(folder: Path, name: str, ending: str) -> Iterator[Path]:
    if not (folder / name).is_dir():
        raise FileNotFoundError(f"there is no folder {name} in {folder}")
    return (folder / name).rglob("*" + ending)


IMPORTS: dict[str, Callable[[Path, Sizes], Imported]] = {"coco": _from_coco, "yolo": _from_yolo, "voc": _from_voc}
"""The formats that are read, by the name that the command takes."""
