"""The size of an image from the beginning of its file: PNG and JPEG, the formats of Ground Truth. Pure.

Sources: the IHDR chunk of "Portable Network Graphics (PNG) Specification", section 11.2.2; the frame header (SOF) of
ITU-T T.81, annex B.2.2.
"""

import struct

HEAD = 1 << 18
"""Bytes of a file that are looked at: the frame header of a JPEG comes after its thumbnail and color profile."""

_PNG = b"\x89PNG\r\n\x1a\n"
_NO_FRAME = {0xC4, 0xC8, 0xCC}
"""Markers between SOF0 and SOF15 that begin no frame."""


def image_size(head: bytes) -> tuple[int, int] | None:
    """Width and height in pixels, or None where it does not begin as a PNG or JPEG does.

    Args:
        head: the first `HEAD` bytes of the file.
    """
    if head.startswith(_PNG) and head[12:16] == b"IHDR" and len(head) >= 24:
        width, height = struct.unpack_from(">II", head, 16)
        return width, height
    if not head.startswith(b"\xff\xd8"):
        return None
    position = 2
    while position + 9 <= len(head) and head[position] == 0xFF:
        marker = head[position + 1]
        if marker == 0xFF:  # a fill byte
            position += 1
        elif 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME:
            height, width = struct.unpack_from(">HH", head, position + 5)
            return width, height
        else:
            position += 2 + int.from_bytes(head[position + 2 : position + 4])
    return None
