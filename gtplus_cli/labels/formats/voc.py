"""Pascal VOC: an XML file for each image ("The PASCAL Visual Object Classes Challenge 2012 Development Kit").

Pixels are counted from 1, and `xmax` and `ymax` belong to the box. The files lie in `Annotations/`; the images belong
in `JPEGImages/` under the same names.
"""

from pathlib import PurePosixPath
from xml.sax.saxutils import escape

from gtplus_cli.labels.formats.writer import Writer
from gtplus_cli.labels.pictures import Picture
from gtplus_cli.labels.survey import thing
from gtplus_runtime.labels import Annotation, Box, Label


class VocWriter(Writer):
    """Writes a folder of Pascal VOC annotations."""

    def add(self, label: Label) -> None:
        for picture in self.pictures(label):
            self.leave_what_is_said_of_a_frame(picture)
            path = self.output / "Annotations" / PurePosixPath(picture.name).with_suffix(".xml")
            path.parent.mkdir(parents=True, exist_ok=True)
            content = self._content(picture, label)
            try:
                with path.open("x", encoding="utf-8") as file:
                    file.write(content)
                self.written += 1
            except FileExistsError:
                self.leave_clashing(picture.name)

    def _content(self, picture: Picture, label: Label) -> str:
        size = ""
        if picture.size:
            width, height = (_shown(edge) for edge in picture.size)
            size = f"  <size><width>{width}</width><height>{height}</height><depth>3</depth></size>\n"
        objects = "".join(self._object(annotation, label) for annotation in picture.annotations)
        return (
            "<annotation>\n"
            f"  <folder>JPEGImages</folder>\n  <filename>{_xml(picture.name)}</filename>\n"
            f"  <source><database>{_xml(picture.source)}</database></source>\n"
            f"{size}  <segmented>0</segmented>\n{objects}</annotation>\n"
        )

    def _object(self, annotation: Annotation, label: Label) -> str:
        box = annotation.geometry
        if not isinstance(box, Box):
            self.left[thing(annotation, label.kind)] += 1
            return ""
        self.leave_what_it_says_besides(annotation)
        edges = (box.left + 1, box.top + 1, box.left + box.width, box.top + box.height)
        names = ("xmin", "ymin", "xmax", "ymax")
        corners = "".join(f"<{name}>{_shown(edge)}</{name}>" for name, edge in zip(names, edges, strict=True))
        return (
            f"  <object><name>{_xml(annotation.name)}</name><pose>Unspecified</pose><truncated>0</truncated>"
            f"<difficult>0</difficult><bndbox>{corners}</bndbox></object>\n"
        )

    def close(self) -> None:
        (self.output / "Annotations").mkdir(parents=True, exist_ok=True)


def _shown(number: float) -> str:
    return str(int(number)) if number == int(number) else repr(round(number, 6))


def _xml(text: str) -> str:
    # XML 1.0 has no way to write most control characters.
    return escape("".join(c if c >= " " and c not in "\ufffe\uffff" else " " for c in text))
