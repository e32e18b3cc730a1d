"""What a file really is, and photos as they are shown: upright, without what the camera wrote, in three sizes.

Nothing here touches the database or the storage. What is shown was encoded here, so whatever else a file carried
(EXIF with the place it was taken at, comments, another file behind the picture) is not in it.
"""

from __future__ import annotations

import io
import struct
from typing import NamedTuple

from PIL import Image, ImageCms, ImageOps

JPEG, PNG, WEBP, PDF = "image/jpeg", "image/png", "image/webp", "application/pdf"
EXTENSIONS = {JPEG: "jpg", PNG: "png", WEBP: "webp", PDF: "pdf"}
SHOWN_TYPE = JPEG
HEAD_BYTES = 64 * 1024
MOST_PIXELS = 50_000_000  # A decoded photo then takes 200 MB at most.
MOST_SIDE = 20_000
# Largest width and height of each size.
SIZES = {"original": (4096, 4096), "large": (1024, 4096), "thumb": (320, 1280)}
_QUALITY = 85
_MAGIC = ((JPEG, b"\xff\xd8\xff"), (PNG, b"\x89PNG\r\n\x1a\n"), (PDF, b"%PDF-"))
# How files begin that a reader may take a picture for; a camera writes none of it at the start.
_FOREIGN = (b"%pdf-", b"<!doctype", b"<html", b"<script", b"<svg", b"<?php", b"<!--")
_FOREIGN_WITHIN = 1024
# JPEG: the frames that say how large the picture is, and the segments that may come before.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SEGMENTS = frozenset({0xC4, 0xCC, 0xDB, 0xDD, 0xFE, *range(0xE0, 0xF0)})


class NotAPicture(Exception):
    """The file is no photo of the type it claims, or one that nobody should unpack."""


class Picture(NamedTuple):
    """`files` are the encoded sizes by name; width and height are those of `original`."""

    width: int
    height: int
    files: dict[str, bytes]


def type_of(head: bytes) -> str | None:
    """The content type by the first bytes."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    return next((content_type for content_type, magic in _MAGIC if head.startswith(magic)), None)


def check_head(head: bytes, content_type: str) -> None:
    """Whether a file that begins so can be a photo of the type. Raises NotAPicture, also for one that promises more
    pixels than we unpack."""
    start = head[:_FOREIGN_WITHIN].lower()
    if type_of(head) != content_type or any(mark in start for mark in _FOREIGN):
        raise NotAPicture
    try:
        size = _SIZE_OF[content_type](head)
    except (struct.error, IndexError):
        raise NotAPicture from None
    if size is not None:
        _check_size(*size)


def _check_size(width: int, height: int) -> None:
    if not (0 < width <= MOST_SIDE and 0 < height <= MOST_SIDE and width * height <= MOST_PIXELS):
        raise NotAPicture


def _jpeg_size(head: bytes) -> tuple[int, int] | None:
    """None when metadata fills the whole head: then the decoder finds out."""
    position = 2
    while position + 4 <= len(head):
        mark, kind, length = struct.unpack_from(">BBH", head, position)
        if mark == 0xFF and kind == 0xFF:  # Padding.
            position += 1
        elif mark == 0xFF and kind in _FRAMES:
            height, width = struct.unpack_from(">HH", head, position + 5)
            return width, height
        elif mark == 0xFF and kind in _SEGMENTS and length >= 2:
            position += 2 + length
        else:
            raise NotAPicture
    if len(head) < HEAD_BYTES:
        raise NotAPicture
    return None


def _png_size(head: bytes) -> tuple[int, int]:
    if head[12:16] != b"IHDR":
        raise NotAPicture
    width, height = struct.unpack_from(">II", head, 16)
    return width, height


def _webp_size(head: bytes) -> tuple[int, int]:
    kind = head[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", head, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", head, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise NotAPicture


_SIZE_OF = {JPEG: _jpeg_size, PNG: _png_size, WEBP: _webp_size}
_FORMATS = {JPEG: "JPEG", PNG: "PNG", WEBP: "WEBP"}


def render(data: bytes, content_type: str) -> Picture:
    """The sizes of a photo, as JPEG. Raises NotAPicture."""
    try:
        with Image.open(io.BytesIO(data), formats=[_FORMATS[content_type]]) as opened:
            _check_size(*opened.size)
            opened.draft("RGB", SIZES["original"])  # JPEG: decoded no larger than is needed.
            opened.load()
            picture = _plain(_upright(opened))
    except NotAPicture:
        raise
    except Exception as error:  # Whatever a decoder says of a broken file; they say it in many ways.
        raise NotAPicture from error
    files = {}
    for name, box in SIZES.items():
        picture.thumbnail(box, Image.Resampling.LANCZOS)  # From large to small, each from the one before.
        if name == "original":
            width, height = picture.size
        files[name] = _encoded(picture)
    return Picture(width, height, files)


def _upright(image: Image.Image) -> Image.Image:
    """As its EXIF says it was held; as it is when the EXIF is broken."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:
        return image


def _plain(image: Image.Image) -> Image.Image:
    """Colours of the web on white, in a new image: a copy would keep comments and the like."""
    profile = image.info.get("icc_profile")
    if profile and image.mode in ("RGB", "CMYK"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            image = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB") or image
        except (ImageCms.PyCMSError, OSError):
            pass  # The colours are a little off.
    plain = Image.new("RGB", image.size, "white")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        plain.paste(image, mask=image.getchannel("A"))
    else:
        plain.paste(image.convert("RGB"))
    return plain


def _encoded(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_QUALITY, progressive=True)
    return buffer.getvalue()
