"""From a manifest of labels to the formats that training reads."""

import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from gtplus_cli.labels.formats.coco import CocoWriter
from gtplus_cli.labels.formats.huggingface import HuggingFaceWriter
from gtplus_cli.labels.formats.tables import CsvWriter, JsonLinesWriter
from gtplus_cli.labels.formats.voc import VocWriter
from gtplus_cli.labels.formats.writer import Source, Writer
from gtplus_cli.labels.formats.yolo import YoloSegmentWriter, YoloWriter
from gtplus_cli.labels.pictures import Sizes, sizes_in
from gtplus_cli.labels.reading import Fetch, opened
from gtplus_cli.labels.survey import Survey, labels_to_convert, survey
from gtplus_runtime.labels import Kind
from gtplus_runtime.problems import Problem, Refused, shown


class Format(NamedTuple):
    """A format that labels are converted to.

    Attributes:
        title: its name, as people write it.
        writer: writes it.
        holds: what it can hold, in the words of `survey.thing`; None holds everything.
        is_folder: whether it is a folder, and not a file.
        images: where the images belong in the folder; None where they have no place in it.
        follows: what it can hold besides, where the files that labels refer to are read.
    """

    title: str
    writer: type[Writer]
    holds: frozenset[str] | None
    is_folder: bool
    images: str | None = None
    follows: frozenset[str] = frozenset()


FORMATS = {
    "coco": Format(
        "COCO",
        CocoWriter,
        frozenset({"boxes", "polygons"}),
        is_folder=False,
        follows=frozenset({"classes of masks"}),
    ),
    "yolo": Format("YOLO", YoloWriter, frozenset({"boxes"}), is_folder=True, images="images/"),
    "yolo-seg": Format(
        "YOLO segmentation", YoloSegmentWriter, frozenset({"polygons"}), is_folder=True, images="images/"
    ),
    "voc": Format("Pascal VOC", VocWriter, frozenset({"boxes"}), is_folder=True, images="JPEGImages/"),
    "csv": Format("CSV", CsvWriter, None, is_folder=False),
    "jsonl": Format("JSON Lines", JsonLinesWriter, None, is_folder=False),
    "hf": Format(
        "Hugging Face datasets", HuggingFaceWriter, frozenset({"boxes", "spans", "classes"}), is_folder=True, images=""
    ),
}
"""The formats, by the name that the command takes."""


_TOLD_EVERY = 1_000


@dataclass
class Conversion:
    """What a conversion did.

    Attributes:
        format: the name of the format.
        output: the file or folder that was written.
        objects: labels that were written.
        classes: the classes, in the order that numbers them.
        root: the folder that holds all objects; names of images are paths below it.
        left: what was left out, counted.
        clashing: of that, the names of images that differ from another one's in the ending alone.
    """

    format: str
    output: Path
    objects: int = 0
    classes: list[str] = field(default_factory=list)
    root: str = ""
    left: Counter[str] = field(default_factory=Counter)
    clashing: list[str] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """The conversion as JSON."""
        return {
            "format": self.format,
            "output": str(self.output),
            "objects": self.objects,
            "classes": self.classes,
            "imagesBelow": self.root,
            "leftOut": dict(sorted(self.left.items())),
            "clashing": self.clashing,
        }


def convert_labels(
    manifest: str | Path,
    output: str | Path,
    *,
    to: str,
    attribute: str | None = None,
    classes: Sequence[str] | None = None,
    fetch: Fetch | None = None,
    images: Path | None = None,
    s3: Any = None,
    progress: Callable[[int, int], None] | None = None,
) -> Conversion:
    """Convert a manifest of labels. The same manifest gives the same bytes; the memory does not grow with it.

    Args:
        manifest: a path, or an S3 URI.
        output: the file or folder to write; there must be nothing yet.
        to: one of `FORMATS`.
        attribute: the label attribute to convert; needed where the manifest has several and the format cannot tell
            them apart.
        classes: the names of all classes, in the order that numbers them. Default: the order of their ids in the
            class map where each class has one of its own, else that of their names.
        fetch: reads the files that labels refer to: the sequence files of video labels, and for COCO the masks, which
            needs Pillow. Without it the frames and the masks are left out.
        images: the folder of the images here, in which they lie as below the folder that holds all objects. It tells
            the sizes that labels do not (those of video frames never do), and needs Pillow.
        s3: the S3 client to fetch the manifest with; None makes one of the default session.
        progress: is told after every thousand labels how many are done, of how many; None where nobody looks.

    Raises:
        Refused: the format cannot hold any of it, or what was asked does not fit the manifest. Nothing is written.
    """
    output = Path(output)
    if to not in FORMATS:
        problem = Problem("to", f"one of {', '.join(FORMATS)}", shown(to), "choose one of them")
        raise Refused(400, "there is no such format", [problem])
    if output.exists():
        problem = Problem("output", "there must be nothing yet", str(output), "name another, or take it away")
        raise Refused(409, "nothing was converted", [problem])
    with opened(manifest, s3) as path:
        found = survey(path, attribute, fetch)
        names = list(classes) if classes is not None else found.classes()
        _check(found, FORMATS[to], attribute, names, follow=fetch is not None)
        done = Conversion(to, output, classes=names, root=found.root)
        # Written beside and then moved: what is there under its name is whole.
        part = output.with_name(output.name + ".part")
        _remove(part)
        try:
            writer = FORMATS[to].writer(part, Source(found, names, fetch, _sizes(images)))
            total = found.objects.total()
            for number, label in enumerate(labels_to_convert(path, found, attribute, fetch, done.left), start=1):
                writer.add(label)
                if progress is not None and number % _TOLD_EVERY == 0:
                    progress(number, total)
            writer.close()
            done.left += writer.left
            if not writer.written:
                _refuse_nothing(FORMATS[to], done.left)
            part.replace(output)
            done.objects, done.clashing = writer.written, writer.clashing
        finally:
            _remove(part)
    return done


def _sizes(images: Path | None) -> Sizes | None:
    if images is None:
        return None
    size = sizes_in(images)

    def known(name: str) -> tuple[float, float] | None:
        try:
            return size(name)
        except OSError:
            return None

    return known


def _check(found: Survey, format_: Format, attribute: str | None, classes: list[str], *, follow: bool) -> None:
    problems = []
    if not found.objects:
        where = f'"{attribute}"' if attribute else "any attribute with metadata beside it"
        problems.append(Problem("manifest", "must have labels", f"none under {where}", "name the label attribute"))
    elif format_.holds is not None:
        held = found.things.keys() & (format_.holds | (format_.follows if follow else frozenset()))
        kinds = {kind for kind, _ in found.kinds}
        # An image in which there is nothing is a label, too.
        empty = kinds & {Kind.BOXES, Kind.CLASSES, Kind.SPANS, Kind.SHAPES}
        if not held and (found.things or not empty):
            what = [f"{n:,} × {thing}" for thing, n in sorted(found.things.items())]
            what += [f"{n:,} labels of {type_ or kind}" for (kind, type_), n in sorted(found.kinds.items())]
            rule = f"{format_.title} holds {' and '.join(sorted(format_.holds))}"
            mend = "--to jsonl and --to csv hold everything"
            if not follow and (Kind.SEQUENCE in kinds or found.things.keys() & format_.follows):
                mend = f"--follow reads the files that labels refer to; {mend}"
            problems.append(Problem("to", rule, f"the manifest has {', '.join(what)}", mend))
        elif attribute is None and len(found.objects) > 1:
            several = ", ".join(f"{name} ({count:,})" for name, count in sorted(found.objects.items()))
            mend = "name one with --attribute"
            problems.append(Problem("attribute", f"{format_.title} holds one label attribute", several, mend))
    if missing := sorted(set(found.classes()) - set(classes)):
        mend = "add them to the list"
        problems.append(Problem("classes", "every class of the manifest", ", ".join(missing[:20]), mend))
    if len(set(classes)) < len(classes):
        problems.append(Problem("classes", "each once", ", ".join(classes)[:200], "drop the second one"))
    if problems:
        raise Refused(400, f"nothing was converted to {format_.title}", problems)


def _refuse_nothing(format_: Format, left: Counter[str]) -> NoReturn:
    what = ", ".join(f"{count:,} {what}" for what, count in sorted((+left).items()))
    problem = Problem(
        "manifest", "something that can be written", f"left out: {what}", "mend that, or choose another --to"
    )
    raise Refused(400, f"nothing was converted to {format_.title}", [problem])


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
