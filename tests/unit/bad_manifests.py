"""The corpus of bad manifests: each with all that its report must say. Read by every test that checks an input.

Each project reads `s3://data/raw/`; the objects `raw/1.jpg` to `raw/3.jpg` are there.
"""

import json
from typing import NamedTuple

from gtplus_runtime.places import GROUND_TRUTH, GROUND_TRUTH_PLUS, Limits
from gtplus_runtime.problems import Problem

READS = ("s3://data/raw/",)
OBJECTS = {f"raw/{number}.jpg": b"pixels" for number in (1, 2, 3)}


class Case(NamedTuple):
    """A manifest.

    Attributes:
        content: its bytes.
        problems: all that is wrong, with its kind, in the order of the report; none where all is good.
        good: how many lines are good.
        limits: of the provider.
        task_type: of the project.
        objects: further objects in the bucket, by key.
    """

    content: bytes
    problems: tuple[tuple[str, Problem], ...] = ()
    good: int = 0
    limits: Limits = GROUND_TRUTH_PLUS
    task_type: str = "image"
    objects: dict[str, bytes] = {}  # noqa: RUF012 (never changed)


def line(key: str = "raw/1.jpg", **more: object) -> bytes:
    """A good line."""
    return json.dumps({"source-ref": f"s3://data/{key}", **more}).encode() + b"\n"


def not_json(value: str, why: str = "", place: str = "line 1") -> tuple[str, Problem]:
    """What is said of a line that is no JSON."""
    return "not JSON", Problem(place, "one JSON object a line", value, f"mend it: {why}" if why else "mend it")


def missing(key: str, place: str = "line 1", *, percent: bool = False) -> tuple[str, Problem]:
    """What is said of an object that is not there."""
    mend = "upload it, or drop the line"
    mend += " (a key is written as it is, and not percent-encoded)" if percent else ""
    return "object not found", Problem(place, "object not found", f"s3://data/{key}", mend)


def sequence(*frames: str, **changes: object) -> bytes:
    """A sequence file of a video."""
    value: dict[str, object] = {
        "seq-no": 1,
        "prefix": "s3://data/raw/",
        "number-of-frames": len(frames),
        "frames": [{"frame-no": number, "frame": name} for number, name in enumerate(frames)],
    }
    return json.dumps(value | changes).encode()


def video(content: bytes, *problems: tuple[str, Problem], good: int = 0, limits: Limits = GROUND_TRUTH_PLUS) -> Case:
    """A manifest of one sequence file."""
    return Case(line("raw/seq.json"), problems, good, limits, "video", {"raw/seq.json": content})


def cloud(*frames: dict[str, object]) -> bytes:
    """A sequence file of a point cloud."""
    return sequence(frames=list(frames), **{"number-of-frames": len(frames)})


def broken(rule: str, value: str, mend: str, place: str = "line 1") -> tuple[str, Problem]:
    """What is said of a sequence file."""
    return "broken sequence", Problem(place, rule, value, mend)


_SPLIT = "split it into several batches"
_CHOOSE = "choose one under s3://data/raw/"
_READS = "must lie in a prefix that this project reads"
_LONG = b'{"source-ref": "s3://data/raw/1.jpg", "note": "' + b"x" * (64 << 20) + b'"}\n'

CORPUS: dict[str, Case] = {
    # What editors and other systems leave behind, and what does no harm
    "a byte order mark": Case(b"\xef\xbb\xbf" + line(), good=1),
    "CRLF": Case(line().replace(b"\n", b"\r\n") + line("raw/2.jpg").replace(b"\n", b"\r\n"), good=2),
    "blank lines": Case(b"\n\r\n   \n" + line() + b"\n\n", good=1),
    "a missing last newline": Case(line() + line("raw/2.jpg").rstrip(b"\n"), good=2),
    "a key named twice, of which the last counts": Case(
        b'{"source-ref": "s3://faces/x", "source-ref": "s3://data/raw/1.jpg"}\n', good=1
    ),
    "a whole number of 4,000 digits": Case(line(n=0).replace(b"0", b"1" * 4_000), good=1),
    "unknown attributes": Case(line(**{"$id": 1, "weather": {"rain": [1, 2.5, None]}}), good=1),
    # No lines of JSON
    "an empty file": Case(b"", (("empty", Problem("batch", "at least one object", "", "look at the input location")),)),
    "only blank lines": Case(
        b"\n \r\n", (("empty", Problem("batch", "at least one object", "", "look at the input location")),)
    ),
    "NUL": Case(b"\x00\n" + line(), (not_json("'\\x00'"),), 1),
    "NUL in a text": Case(
        b'{"source": "a\x00b"}\n',
        (not_json("""'{"source": "a\\x00b"}'"""),),
    ),
    "not UTF-8": Case(
        b'{"source": "caf\xe9"}\n' + line(),
        (("not UTF-8", Problem("line 1", "UTF-8 text", "byte 15", "write the file as UTF-8")),),
        1,
    ),
    "UTF-16": Case(
        line().decode().rstrip().encode("utf-16"),
        (("not UTF-8", Problem("line 1", "UTF-8 text", "byte 0", "write the file as UTF-8")),),
    ),
    "a trailing comma": Case(b'{"source": "a",}\n', (not_json("""'{"source": "a",}'"""),)),
    "single quotes": Case(
        b"{'source': 'a'}\n",
        (not_json('''"{'source': 'a'}"'''),),
    ),
    "NaN": Case(b'{"source": "a", "x": NaN}\n', (not_json("""'{"source": "a", "x": NaN}'""", "NaN is no JSON"),)),
    "Infinity": Case(
        b'{"source": "a", "x": -Infinity}\n',
        (not_json("""'{"source": "a", "x": -Infinity}'""", "-Infinity is no JSON"),),
    ),
    "a number that becomes infinite": Case(
        b'{"source": "a", "x": 1e999}\n',
        (not_json("""'{"source": "a", "x": 1e999}'""", "a number is too large"),),
    ),
    "a whole number of 5,000 digits": Case(
        b'{"source": "a", "x": ' + b"1" * 5_000 + b"}\n",
        (not_json("""'{"source": "a", "x": """ + "1" * 59 + "'", "a number is too large"),),
    ),
    "two values in a line": Case(
        b'{"source": "a"} {"source": "b"}\n',
        (not_json("""'{"source": "a"} {"source": "b"}'"""),),
    ),
    "an object over two lines": Case(
        b'{"source":\n"a"}\n',
        (
            not_json("""'{"source":'"""),
            not_json("""'"a"}'""", place="line 2"),
        ),
    ),
    "a JSON array in place of lines": Case(
        b'[{"source": "a"}]\n',
        (
            (
                "not an object",
                Problem("line 1", "one JSON object a line", "[{'source': 'a'}]", 'write {"source-ref": "s3://…"}'),
            ),
        ),
    ),
    "deep nesting": Case(
        b'{"source": "a", "x": ' + b"[" * 5_000 + b"]" * 5_000 + b"}\n",
        (not_json("""'{"source": "a", "x": """ + "[" * 59 + "'", "nested deeper than 100 levels"),),
    ),
    "a line of 64 MB": Case(
        _LONG + line("raw/2.jpg"),
        (
            (
                "line too long",
                Problem("line 1", "at most 100,000 characters", "more than 400,000 bytes", "shorten the line"),
            ),
        ),
        1,
    ),
    # No sources
    "neither source nor source-ref": Case(
        b'{"Source-Ref": "s3://data/raw/1.jpg"}\n',
        (("no source", Problem("line 1", 'needs "source-ref" or "source"', "", "add one of them")),),
    ),
    "both source and source-ref": Case(
        line(source="a"),
        (("two sources", Problem("line 1", 'has either "source-ref" or "source"', "", "drop one of them")),),
    ),
    "a source-ref that is a list": Case(
        b'{"source-ref": ["s3://data/raw/1.jpg"]}\n',
        (
            (
                "empty source",
                Problem("line 1", "'source-ref' is a text", "['s3://data/raw/1.jpg']", "fill it in"),
            ),
        ),
    ),
    "a source that is null": Case(
        b'{"source": null}\n', (("empty source", Problem("line 1", "'source' is a text", "None", "fill it in")),)
    ),
    "our own name": Case(
        line(**{"gtplus-frozen": {"etag": "x"}}),
        (("reserved name", Problem("line 1", '"gtplus-frozen" is a name of ours', "", "drop that attribute")),),
    ),
    # Sources that are not the project's
    "another bucket's URI": Case(
        b'{"source-ref": "s3://faces/raw/1.jpg"}\n',
        (("another bucket", Problem("line 1", _READS, "s3://faces/raw/1.jpg", _CHOOSE)),),
    ),
    "another prefix": Case(
        line("labels/1.jpg"), (("outside the prefixes", Problem("line 1", _READS, "s3://data/labels/1.jpg", _CHOOSE)),)
    ),
    "a prefix that begins like ours": Case(
        line("raw-secret/1.jpg"),
        (("outside the prefixes", Problem("line 1", _READS, "s3://data/raw-secret/1.jpg", _CHOOSE)),),
    ),
    "a key that climbs": Case(
        line("raw/../secret/1.jpg"),
        (
            (
                "no S3 URI",
                Problem(
                    "line 1",
                    "a key without . or .. as a folder",
                    "'s3://data/raw/../secret/1.jpg'",
                    "rename the object",
                ),
            ),
        ),
    ),
    "an address of the web": Case(
        b'{"source-ref": "https://data.s3.amazonaws.com/raw/1.jpg"}\n',
        (
            (
                "no S3 URI",
                Problem(
                    "line 1",
                    '"source-ref" is an S3 URI',
                    "'https://data.s3.amazonaws.com/raw/1.jpg'",
                    "write s3://bucket/key",
                ),
            ),
        ),
    ),
    "a lone surrogate": Case(
        b'{"source-ref": "s3://data/raw/\\ud800.jpg"}\n',
        (
            (
                "not UTF-8",
                Problem(
                    "line 1",
                    "text that UTF-8 can write",
                    "'s3://data/raw/\\ud800.jpg'",
                    "take the lone surrogates out",
                ),
            ),
        ),
    ),
    "a control character in a key": Case(
        b'{"source-ref": "s3://data/raw/a\\u0000.jpg"}\n',
        (
            (
                "no S3 URI",
                Problem(
                    "line 1", "a key without control characters", "'s3://data/raw/a\\x00.jpg'", "rename the object"
                ),
            ),
        ),
    ),
    "a percent-encoded key": Case(line("raw/a%20b.jpg"), (missing("raw/a%20b.jpg", percent=True),)),
    # Objects
    "an object that is not there": Case(line("raw/9.jpg") + line(), (missing("raw/9.jpg"),), 1),
    "an object named twice": Case(
        line() + line("raw/2.jpg") + line(),
        (
            (
                "named twice",
                Problem("line 3", "an object is named once; line 1 has it", "s3://data/raw/1.jpg", "drop the line"),
            ),
        ),
        2,
    ),
    "a text that is there twice, so that its labels could not be told apart": Case(
        b'{"source": "caf\xc3\xa9"}\n{"source": "tea"}\n{"source": "caf\xc3\xa9", "page": 2}\n',
        (("named twice", Problem("line 3", "a text is there once; line 1 has it", "'café'", "drop the line")),),
        2,
        task_type="text",
    ),
    "a text that is the name of another object": Case(
        b'{"source": "s3://data/raw/1.jpg"}\n' + line(),
        (
            (
                "named twice",
                Problem("line 2", "an object is named once; line 1 has it", "s3://data/raw/1.jpg", "drop the line"),
            ),
        ),
        1,
        task_type="custom",
    ),
    "audio files of Ground Truth Plus, and an image among them": Case(
        line("raw/1.wav") + line("raw/2.flac") + line(),
        (
            (
                "wrong format",
                Problem("line 3", "a file of the task type audio", "'s3://data/raw/1.jpg'", "leave it out"),
            ),
        ),
        2,
        task_type="audio",
        objects={"raw/1.wav": b"sound", "raw/2.flac": b"sound"},
    ),
    "a video among images": Case(
        line("raw/a.mp4"),
        (
            (
                "wrong format",
                Problem("line 1", "a file of the task type image", "'s3://data/raw/a.mp4'", "leave it out"),
            ),
        ),
    ),
    "what a desktop left behind": Case(
        line("raw/.DS_Store"),
        (
            (
                "wrong format",
                Problem(
                    "line 1",
                    "a file of the task type image, and this is a hidden file",
                    "'s3://data/raw/.DS_Store'",
                    "leave it out",
                ),
            ),
        ),
    ),
    "too many files": Case(
        line() + line("raw/2.jpg"),
        (
            (
                "too many files",
                Problem("batch", "at most 1 files in a batch", "2 lines", "split it into several batches"),
            ),
        ),
        1,
        Limits(max_files=1),
    ),
    # Ordinary Ground Truth
    "an attribute's name that begins with $": Case(
        line(**{"$id": 1}),
        (
            (
                "attribute name",
                Problem("line 1", "the name of an attribute does not begin with $", "'$id'", "rename it"),
            ),
        ),
        limits=GROUND_TRUTH,
    ),
    "an attribute of 20,001 characters": Case(
        line(note="x" * 20_001),
        (
            (
                "attribute too long",
                Problem(
                    "line 1",
                    "an attribute has at most 20,000 characters",
                    "'note': 20,001",
                    "shorten it, or keep it in a file",
                ),
            ),
        ),
        limits=GROUND_TRUTH,
    ),
    "an image that Ground Truth does not take": Case(
        line("raw/1.tiff"),
        (
            (
                "wrong format",
                Problem(
                    "line 1",
                    "one of .jpg, .jpeg, .png for the task type image",
                    "'s3://data/raw/1.tiff'",
                    "convert it, or leave it out",
                ),
            ),
        ),
        limits=GROUND_TRUTH,
    ),
    "text in the line where images are wanted": Case(
        b'{"source": "a"}\n',
        (
            (
                "wrong format",
                Problem(
                    "line 1",
                    'objects of the task type image are files, named by "source-ref"',
                    '"source"',
                    "upload the object, and name it",
                ),
            ),
        ),
        limits=GROUND_TRUTH,
    ),
    "a task type that Ground Truth does not have": Case(
        line("raw/1.wav"),
        (
            (
                "wrong format",
                Problem(
                    "line 1", "Ground Truth has no task type audio", "'s3://data/raw/1.wav'", "choose another provider"
                ),
            ),
        ),
        limits=GROUND_TRUTH,
        task_type="audio",
    ),
    # Sequences
    "a good sequence": video(sequence("1.jpg", "2.jpg"), good=1),
    "a sequence that is no JSON": video(b"{", broken("a sequence file is JSON", "'{'", "mend it")),
    "a sequence that is not UTF-8": video(b"\xff{}", broken("a sequence file is UTF-8 text", "byte 0", "write it so")),
    "a sequence that is a list": video(
        b"[1]", broken("a sequence file is a JSON object", "[1]", "look at the example")
    ),
    "a sequence without anything": video(
        b"{}",
        broken('"seq-no" is a whole number', "None", "number the sequences of the manifest"),
        broken('"prefix" is the S3 URI of the folder of the frames', "None", "write s3://bucket/…/"),
        broken('"frames" is a list of at least one frame', "None", "list the frames"),
    ),
    "a sequence that counts wrong": video(
        sequence("1.jpg", **{"number-of-frames": 2}),
        broken('"number-of-frames" is the length of "frames"', "2, and there are 1", "mend the number"),
    ),
    "frames that are broken": video(
        sequence(
            frames=[7, {"frame-no": 0, "frame": "../1.jpg"}, {"frame-no": 0, "frame": "2.jpg"}, {"frame": ""}]
        ).replace(b'"number-of-frames": 0', b'"number-of-frames": 4'),
        broken("a frame is a JSON object", "7", 'write {"frame-no": 0, "frame": "0.jpg"}', "line 1, frame 1"),
        broken('"frame" is the name of a file below the prefix', "'../1.jpg'", "name the file", "line 1, frame 2"),
        broken('"frame-no" is given once', "0", "number the frames in their order", "line 1, frame 3"),
        broken('"frame-no" is a whole number', "None", "number the frames in their order", "line 1, frame 4"),
        broken('"frame" is the name of a file below the prefix', "''", "name the file", "line 1, frame 4"),
    ),
    "a frame that is not there": video(
        sequence("1.jpg", "7.jpg"),
        (
            "object not found",
            Problem(
                "line 1", "a frame of the sequence was not found", "s3://data/raw/7.jpg", "upload it, or drop the line"
            ),
        ),
    ),
    "frames of another bucket": video(
        sequence("1.jpg", prefix="s3://faces/raw/"),
        (
            "outside the prefixes",
            Problem("line 1", "frames lie in a prefix that this project reads", "s3://faces/raw/1.jpg", _CHOOSE),
        ),
    ),
    "more frames than files of a batch": video(
        sequence("1.jpg", "2.jpg", "3.jpg"),
        (
            "too many files",
            Problem("batch", "at most 3 files in a batch", "4 with all frames", "split it into several batches"),
        ),
        good=1,
        limits=Limits(max_files=3),
    ),
    "a point cloud with a camera": Case(
        line("raw/seq.json"),
        good=1,
        task_type="3d-point-cloud",
        objects={
            "raw/0.bin": b"points",
            "raw/seq.json": cloud(
                {
                    "frame-no": 0,
                    "unix-timestamp": 1.5,
                    "frame": "0.bin",
                    "format": "binary/xyz",
                    "images": [{"image-path": "1.jpg"}],
                }
            ),
        },
    ),
    "a point cloud that is broken": Case(
        line("raw/seq.json"),
        (
            broken('"unix-timestamp" is a number', "None", "give the seconds since 1970", "line 1, frame 1"),
            broken(
                '"format" is one of binary/xyz, binary/xyzi, binary/xyzirgb, binary/xyzrgb, '
                "text/xyz, text/xyzi, text/xyzirgb, text/xyzrgb",
                "'las'",
                "name the format of the file",
                "line 1, frame 1",
            ),
            broken('"images" is a list of objects with "image-path"', "{}", "name the files", "line 1, frame 1"),
        ),
        task_type="3d-point-cloud",
        objects={
            "raw/seq.json": cloud({"frame-no": 0, "frame": "0.bin", "format": "las", "images": {}}),
        },
    ),
}
"""Every manifest, by what it shows."""
