"""YOLO: a text file for each image, and `data.yaml` with the classes ("Object detection datasets" of Ultralytics).

A line is a class and a box: center, width and height as shares of the image; or an outline: its corners ("Instance
segmentation datasets" of Ultralytics). The files lie in `labels/`; the images belong in `images/` under the same names.
"""

import json
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

from gtplus_cli.labels.formats.writer import Writer
from gtplus_cli.labels.pictures import Picture, clipped, clipped_outline
from gtplus_cli.labels.survey import thing
from gtplus_runtime.labels import Annotation, Box, Label, Polygon

Point = tuple[float, float]


class YoloWriter(Writer):
    """Writes a folder of YOLO labels."""

    shape: type[Box] | type[Polygon] = Box

    def add(self, label: Label) -> None:
        for picture in self.pictures(label):
            self.leave_what_is_said_of_a_frame(picture)
            if picture.size is None:
                self.left["images of unknown size (--images DIR tells it)"] += 1
                continue
            lines = [self._line(annotation, picture, label) for annotation in picture.annotations]
            path = self.output / "labels" / PurePosixPath(picture.name).with_suffix(".txt")
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with path.open("x", encoding="ascii") as file:
                    file.writelines(line for line in lines if line)
                self.written += 1
            except FileExistsError:
                self.leave_clashing(picture.name)

    def _line(self, annotation: Annotation, picture: Picture, label: Label) -> str:
        what = thing(annotation, label.kind)
        if not isinstance(annotation.geometry, self.shape) or picture.size is None:
            self.left[what] += 1
            return ""
        # What stands out makes readers drop the whole image.
        points = self._points(annotation.geometry, picture.size)
        if points is None:
            self.left[f"{what} outside of their image, or without an area"] += 1
            return ""
        self.leave_what_it_says_besides(annotation)
        shares = [edge / whole for point in points for edge, whole in zip(point, picture.size, strict=True)]
        return f"{self.number[annotation.name]} {' '.join(f'{share:.10g}' for share in shares)}\n"

    def _points(self, shape: Any, size: Point) -> Iterable[Point] | None:
        """What a line tells of a shape, in pixels; None where nothing of it is in the image."""
        inside = clipped(shape, size)
        if inside is None:
            return None
        center = (inside.left + inside.width / 2, inside.top + inside.height / 2)
        return center, (inside.width, inside.height)

    def close(self) -> None:
        (self.output / "labels").mkdir(parents=True, exist_ok=True)
        # JSON's texts are YAML's.
        names = "".join(f"\n  {at}: {json.dumps(name)}" for at, name in enumerate(self.classes)) or " {}"
        (self.output / "data.yaml").write_text(f"path: .\ntrain: images\nval: images\nnames:{names}\n")


class YoloSegmentWriter(YoloWriter):
    """Writes a folder of YOLO labels whose lines are outlines: a file with both kinds of lines misleads its readers."""

    shape = Polygon

    def _points(self, shape: Any, size: Point) -> Iterable[Point] | None:
        inside = clipped_outline(shape, size)
        return inside and inside.points
