"""YOLO: a text file for each image, and `data.yaml` with the classes ("Object detection datasets" of Ultralytics).

A line is a class and a box: center, width and height as shares of the image. The files lie in `labels/`; the images
belong in `images/` under the same names.
"""

import json
from pathlib import PurePosixPath

from gtplus_cli.labels.formats.writer import Writer
from gtplus_cli.labels.pictures import Picture, clipped, pictures_of
from gtplus_cli.labels.survey import thing
from gtplus_runtime.labels import Annotation, Box, Label


class YoloWriter(Writer):
    """Writes a folder of YOLO labels."""

    def add(self, label: Label) -> None:
        for picture in pictures_of(label, self.survey.root):
            if picture.size is None:
                self.left["images whose label does not tell their size"] += 1
                continue
            lines = [self._line(annotation, picture, label) for annotation in picture.annotations]
            path = self.output / "labels" / PurePosixPath(picture.name).with_suffix(".txt")
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with path.open("x", encoding="ascii") as file:
                    file.writelines(line for line in lines if line)
                self.written += 1
            except FileExistsError:
                self.left["images whose name differs from another one's in the ending alone"] += 1

    def _line(self, annotation: Annotation, picture: Picture, label: Label) -> str:
        box = annotation.geometry
        if not isinstance(box, Box) or picture.size is None:
            self.left[thing(annotation, label.kind)] += 1
            return ""
        # A box that stands out makes readers drop the whole image.
        inside = clipped(box, picture.size)
        if inside is None:
            self.left["boxes outside of their image, or without an area"] += 1
            return ""
        if annotation.confidence is not None:
            self.left["confidences"] += 1
        width, height = picture.size
        x, y = inside.left + inside.width / 2, inside.top + inside.height / 2
        shares = (x / width, y / height, inside.width / width, inside.height / height)
        return f"{self.number[annotation.name]} {' '.join(f'{share:.10g}' for share in shares)}\n"

    def close(self) -> None:
        (self.output / "labels").mkdir(parents=True, exist_ok=True)
        # JSON's texts are YAML's.
        names = "".join(f"\n  {at}: {json.dumps(name)}" for at, name in enumerate(self.classes)) or " {}"
        (self.output / "data.yaml").write_text(f"path: .\ntrain: images\nval: images\nnames:{names}\n")
