"""COCO: images, annotations and categories in one JSON file ("Data format" on cocodataset.org).

`file_name` is the path below the folder that holds all objects, `coco_url` the object itself; boxes and polygons keep
their numbers, and a confidence is a `score` as in COCO's format of results. The images are written as they come and
the annotations to a file beside, so that neither is held in memory.
"""

import shutil
import tempfile
from collections import Counter
from pathlib import Path

from gtplus_cli.labels.formats.writer import Writer, to_json
from gtplus_cli.labels.pictures import pictures_of
from gtplus_cli.labels.survey import Survey, thing
from gtplus_runtime.labels import Annotation, Box, Label, Polygon


class CocoWriter(Writer):
    """Writes a COCO file."""

    def __init__(self, output: Path, survey: Survey, classes: list[str], left: Counter[str]) -> None:
        super().__init__(output, survey, classes, left)
        self._images = self._annotated = 0
        self._file = output.open("w", encoding="ascii")
        self._later = tempfile.TemporaryFile("w+", encoding="ascii")  # noqa: SIM115 - closed in `close`
        self._file.write('{"info":{"description":"labels of a manifest"},"licenses":[],"images":[')

    def add(self, label: Label) -> None:
        self.written += 1
        for picture in pictures_of(label, self.survey.root):
            self._images += 1
            image = {"id": self._images, "file_name": picture.name, "coco_url": picture.source}
            if picture.size:
                image |= {"width": picture.size[0], "height": picture.size[1]}
            self._file.write(("," if self._images > 1 else "") + "\n" + to_json(image))
            for annotation in picture.annotations:
                self._annotate(annotation, label)

    def _annotate(self, annotation: Annotation, label: Label) -> None:
        geometry = annotation.geometry
        if isinstance(geometry, Box):
            bbox, area, outline = list(geometry), geometry.width * geometry.height, []
        elif isinstance(geometry, Polygon):
            bbox, area, outline = _bounds(geometry), _area(geometry), [[n for point in geometry.points for n in point]]
        else:
            self.left[thing(annotation, label.kind)] += 1
            return
        self._annotated += 1
        # Numbers alone, and most of the file: a template is three times as fast as `json`, and the same bytes.
        score = "" if annotation.confidence is None else f',"score":{annotation.confidence!r}'
        self._later.write(
            f'{"," if self._annotated > 1 else ""}\n{{"id":{self._annotated},"image_id":{self._images},'
            f'"category_id":{self.number[annotation.name] + 1},"bbox":{bbox!r},"area":{area!r},"iscrowd":0,'
            f'"segmentation":{outline!r}{score}}}'
        )

    def close(self) -> None:
        with self._file, self._later:
            self._file.write('\n],"annotations":[')
            self._later.seek(0)
            shutil.copyfileobj(self._later, self._file)
            # Category 0 is the background to some readers.
            categories = [{"id": at + 1, "name": name, "supercategory": ""} for at, name in enumerate(self.classes)]
            self._file.write('\n],"categories":' + to_json(categories) + "}\n")


def _bounds(polygon: Polygon) -> list[float]:
    xs, ys = [x for x, _ in polygon.points], [y for _, y in polygon.points]
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]


def _area(polygon: Polygon) -> float:
    # The shoelace formula.
    points = polygon.points
    turned = zip(points, (*points[1:], points[0]), strict=True)
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in turned)) / 2
