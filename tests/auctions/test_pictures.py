"""What a file really is, and what is left of a photo once it is encoded here."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import pytest
from PIL import Image

from auctions.services import pictures
from auctions.services.pictures import JPEG, PDF, PNG, WEBP, NotAPicture, check_head, render, type_of
from tests.auctions.uploading import photo, photo_of_a_camera


def png_of(width: int, height: int) -> bytes:
    """A header that promises so many pixels, and next to nothing behind it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


def jpeg_of(width: int, height: int) -> bytes:
    data = bytearray(photo())
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


FORMS = [(JPEG, "JPEG"), (PNG, "PNG"), (WEBP, "WEBP")]
NO_PICTURES = {
    "html": b"<!DOCTYPE html><script>alert(1)</script>",
    "exe": b"MZ\x90\x00" + b"\0" * 100,
    "pdf": b"%PDF-1.7\n",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
    "gif": b"GIF89a" + b"\0" * 100,
    "empty": b"",
    "zip": b"PK\x03\x04" + b"\0" * 100,
    "the magic alone": b"\xff\xd8\xff",
    "the magic, then html": b"\xff\xd8\xff<html><script>alert(1)</script>" + b" " * 200,
    "the magic, then pdf": b"\xff\xd8\xff\xe0\x00\x10%PDF-1.7" + b" " * 200,
    "a segment of no length": b"\xff\xd8\xff\xe0\x00\x00" + b"\xff\xe0\x00\x00" * 50,
}


@pytest.mark.parametrize(("content_type", "form"), FORMS)
def test_a_photo_is_known_by_its_first_bytes(content_type: str, form: str) -> None:
    assert type_of(photo(form=form)) == content_type
    check_head(photo(form=form)[: pictures.HEAD_BYTES], content_type)
    for other, _ in FORMS:
        if other != content_type:
            with pytest.raises(NotAPicture):
                check_head(photo(form=form), other)


@pytest.mark.parametrize("lossless", [True, False])
def test_every_kind_of_webp_tells_its_size(lossless: bool) -> None:
    check_head(photo(form="WEBP", lossless=lossless), WEBP)
    check_head(photo(form="WEBP", lossless=lossless, exif=Image.Exif().tobytes()), WEBP)
    with pytest.raises(NotAPicture):
        check_head(b"RIFF\0\0\0\0WEBPXXXX" + b"\0" * 50, WEBP)


@pytest.mark.parametrize("name", NO_PICTURES)
@pytest.mark.parametrize("content_type", [JPEG, PNG, WEBP])
def test_what_only_claims_to_be_a_photo_is_refused(name: str, content_type: str) -> None:
    with pytest.raises(NotAPicture):
        check_head(NO_PICTURES[name], content_type)
    with pytest.raises(NotAPicture):
        render(NO_PICTURES[name], content_type)


def test_a_paper_is_known_by_its_head() -> None:
    assert type_of(b"%PDF-1.4\n") == PDF
    assert [type_of(data) for data in (b" %PDF-1.4", b"<html>%PDF-", b"MZ", b"")] == [None] * 4


def test_a_photo_with_a_page_in_its_comment_is_refused() -> None:
    with pytest.raises(NotAPicture):
        check_head(photo(comment=b"<script>alert(1)</script>"), JPEG)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # Pillow only warns below its own limit.
@pytest.mark.parametrize("make", [png_of, jpeg_of])
def test_a_bomb_is_refused_by_its_header_and_by_the_decoder(make: Callable[[int, int], bytes]) -> None:
    for size in [(10_000, 10_000), (1, 60_000), (0, 10)]:
        with pytest.raises(NotAPicture):
            check_head(make(*size), PNG if make is png_of else JPEG)
        with pytest.raises(NotAPicture):
            render(make(*size), PNG if make is png_of else JPEG)


def test_a_photo_that_breaks_off_is_refused() -> None:
    check_head(photo((400, 300))[:700], JPEG)
    with pytest.raises(NotAPicture):
        render(photo((400, 300))[:700], JPEG)


def test_long_metadata_before_the_size_is_let_through_to_the_decoder() -> None:
    padding = b"\xff\xe2\xff\xff" + b"x" * 0xFFFD
    data = photo()[:2] + padding * 3 + photo()[2:]
    check_head(data[: pictures.HEAD_BYTES], JPEG)
    assert render(data, JPEG).width == 40


def test_maker_place_and_comment_are_gone() -> None:
    data = photo_of_a_camera()
    for marker in (b"SpyCam 3000", b"taken at home", b"Exif"):
        assert marker in data
    for made in render(data, JPEG).files.values():
        opened = Image.open(io.BytesIO(made))
        assert (dict(opened.getexif()), opened.info.keys() & {"exif", "comment", "xmp", "icc_profile"}) == ({}, set())
        assert not any(marker in made for marker in (b"SpyCam 3000", b"taken at home", b"Exif"))


def test_what_follows_the_picture_is_gone() -> None:
    assert b"PK\x03\x04" not in render(photo() + b"PK\x03\x04 a jar", JPEG).files["original"]


def test_xmp_of_a_png_is_gone() -> None:
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    text.add_text("Comment", "home address")
    assert b"home address" not in render(photo(form="PNG", pnginfo=text), PNG).files["original"]


def test_a_photo_is_turned_upright() -> None:
    picture = render(photo_of_a_camera((40, 20), orientation=6), JPEG)
    assert (picture.width, picture.height) == (20, 40)
    upright = Image.open(io.BytesIO(picture.files["original"]))
    red, _, blue = upright.getpixel((10, 5))  # type: ignore[misc]
    assert red > 200 > 100 > blue  # What was at the left is on top.


def test_the_sizes_are_made_from_large_to_small_and_never_larger() -> None:
    picture = render(photo((5000, 2500)), JPEG)
    sizes = {name: Image.open(io.BytesIO(data)).size for name, data in picture.files.items()}
    assert sizes == {"original": (4096, 2048), "large": (1024, 512), "thumb": (320, 160)}
    assert (picture.width, picture.height) == (4096, 2048)
    small = render(photo((100, 50)), JPEG)
    assert {Image.open(io.BytesIO(data)).size for data in small.files.values()} == {(100, 50)}


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "1", "I;16"])
def test_every_kind_of_png_becomes_a_photo_on_white(mode: str) -> None:
    buffer = io.BytesIO()
    Image.new(mode, (10, 10), 0).save(buffer, "PNG")
    picture = render(buffer.getvalue(), PNG)
    opened = Image.open(io.BytesIO(picture.files["thumb"]))
    assert (opened.mode, opened.format) == ("RGB", "JPEG")
    if mode in ("LA", "RGBA"):
        assert min(opened.getpixel((5, 5))) > 250  # type: ignore[type-var,arg-type]


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_broken_metadata_does_not_cost_the_photo() -> None:
    assert render(photo(exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\xff\xff"), JPEG).width == 40
    assert render(photo(icc_profile=b"no profile"), JPEG).width == 40


def test_colours_of_another_space_are_translated() -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    made = render(photo(icc_profile=profile), JPEG).files["original"]
    assert "icc_profile" not in Image.open(io.BytesIO(made)).info
