"""Sequence files: the labels of video frames, and of point clouds over time."""

from gtplus_runtime.labels.annotations import UNREADABLE, Found, read_frame
from gtplus_runtime.labels.model import Defect, Label
from gtplus_runtime.strict_json import read_json


def read_sequence(label: Label, content: bytes) -> Label:
    """A label of a sequence, with the annotations of all its frames.

    Args:
        label: a label of kind `SEQUENCE`; its class map names the classes.
        content: the file that its value refers to (`SeqLabel.json`): a list of frames under `detection-annotations`
            or `tracking-annotations`.

    Raises:
        ValueError: the content is no such file.
    """
    sequence = read_json(content.decode())
    lists = (
        [value for name, value in sequence.items() if name.endswith("-annotations") and isinstance(value, list)]
        if isinstance(sequence, dict)
        else []
    )
    if not lists:
        raise ValueError('a label sequence has a list "detection-annotations" or "tracking-annotations"')
    found = Found()
    for position, frame in enumerate(frame for frames in lists for frame in frames):
        if isinstance(frame, dict):
            read_frame(frame, dict(label.metadata), found)
        else:
            found.defects.append(Defect(UNREADABLE, f"frame {position + 1}"))
    defects = (*label.defects, *found.defects)
    return label._replace(annotations=tuple(found.annotations), defects=defects, frames=found.frames)
