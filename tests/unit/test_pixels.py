"""The size of an image from the beginning of its file, against Pillow's reading."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gtplus_runtime.pixels import HEAD, image_size


@given(
    st.integers(1, 300),
    st.integers(1, 300),
    st.sampled_from(["PNG", "JPEG"]),
    st.sampled_from([{}, {"progressive": True}, {"icc_profile": b"x" * 70_000}, {"comment": b"c"}]),
)
def test_it_is_what_pillow_reads(width: int, height: int, kind: str, options: dict[str, object]) -> None:
    file = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(file, kind, **options)
    assert image_size(file.getvalue()[:HEAD]) == Image.open(file).size == (width, height)


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "WEBP"])
def test_of_other_formats_nothing_is_known(kind: str) -> None:
    file = io.BytesIO()
    Image.new("RGB", (3, 4)).save(file, kind)
    assert image_size(file.getvalue()) is None


@given(st.binary(max_size=60), st.sampled_from([b"", b"\xff\xd8", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"]))
def test_whatever_a_file_begins_with_it_is_answered(rest: bytes, start: bytes) -> None:
    size = image_size(start + rest)
    assert size is None or all(side >= 0 for side in size)
