"""Every format and oddity, made with Pillow and numpy, against pixels computed by hand."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from drawn_images import gradient, noisy, pixels, refused
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from sdlora.data.images import check_image, image_size, load_image
from sdlora.data.listing import find_images, natural_key
from sdlora.messages import say

RED, WHITE = (255, 0, 0), (255, 255, 255)


# ---- finding


def test_find_images_is_recursive_natural_and_skips_what_is_hidden(tmp_path: Path) -> None:
    good = ["1.png", "2.JPG", "10.jpeg", "a/3.webp", "a/b/4.bmp", "a/5.tif", "a/6.tiff", "z.gif", "z.avif"]
    for name in [
        *good,
        "._1.png",
        ".hidden.png",
        ".sdlora_cache/x.png",
        "__MACOSX/._9.png",
        "notes.txt",
        "x.pdf",
        "png",
    ]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    found = [p.relative_to(tmp_path).as_posix() for p in find_images(tmp_path)]
    assert found == ["1.png", "2.JPG", "10.jpeg", "a/3.webp", "a/5.tif", "a/6.tiff", "a/b/4.bmp", "z.avif", "z.gif"]


def test_find_images_survives_links_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/1.png").touch()
    (tmp_path / "a/back").symlink_to(tmp_path)
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert [p.name for p in find_images(tmp_path)] == ["1.png"]


@given(st.lists(st.text(), max_size=8))
def test_natural_order_is_total(names: list[str]) -> None:
    backwards = names[::-1]
    assert sorted(names, key=natural_key) == sorted(backwards, key=natural_key)


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_natural_order_counts(a: int, b: int) -> None:
    assert (natural_key(f"cat {a}.png") < natural_key(f"cat {b}.png")) == (a < b)


# ---- formats


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "webp", "jpg", "avif", "gif"])
def test_every_format_gives_the_picture(tmp_path: Path, suffix: str) -> None:
    path, image = tmp_path / f"x.{suffix}", gradient()
    image.save(path, **{"webp": {"lossless": True}, "jpg": {"quality": 98, "subsampling": 0}}.get(suffix, {}))
    worst = {"jpg": 8, "avif": 16, "gif": 40}.get(suffix, 0)
    assert np.abs(pixels(path).astype(int) - np.asarray(image)).max() <= worst
    assert image_size(path) == check_image(path) == (64, 48)


@pytest.mark.parametrize("suffix", ["heic", "HEIF", "hif", "jp2", "j2k", "tga", "ppm", "jpe", "jfi", "dib"])
def test_what_phones_and_painters_save_is_found_and_read(tmp_path: Path, suffix: str) -> None:
    path, image = tmp_path / f"x.{suffix}", gradient()
    if suffix.lower() in ("heic", "heif", "hif"):
        pillow_heif.from_pillow(image).save(path, quality=-1)
        path = path.rename(tmp_path / f"x.{suffix}")
    else:
        image.save(path, {"jpe": "JPEG", "jfi": "JPEG", "tga": "TGA", "dib": "DIB"}.get(suffix), quality=98)
    assert find_images(tmp_path) == [path]
    worst = {"jpe": 12, "jfi": 12, "heic": 8, "HEIF": 8, "hif": 8}.get(suffix, 0)
    assert np.abs(pixels(path).astype(int) - np.asarray(image)).max() <= worst
    assert image_size(path) == check_image(path) == (64, 48)


def test_an_upright_iphone_picture(tmp_path: Path) -> None:
    """HEIC files are turned by their own box, or by EXIF as JPEGs are: once, not twice."""
    array = np.zeros((48, 64, 3), dtype=np.uint8)
    array[:24, :32] = RED  # the stored top left; orientation 6 puts it top right
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = pillow_heif.from_pillow(Image.fromarray(array))
    picture.save(tmp_path / "x.heic", quality=95, exif=exif.tobytes())
    seen = pixels(tmp_path / "x.heic").astype(int)
    assert seen.shape == (64, 48, 3) and np.abs(seen - np.rot90(array, -1)).mean() < 8
    assert image_size(tmp_path / "x.heic") == check_image(tmp_path / "x.heic") == (48, 64)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
def test_ycbcr_tiff_against_the_formula(tmp_path: Path, compression: str) -> None:
    """ITU-R BT.601 in full range, as TIFF 6.0 has it by default."""
    ycbcr = np.random.default_rng(3).integers(60, 190, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(ycbcr, mode="YCbCr").save(tmp_path / "x.tif", compression=compression)
    y, cb, cr = (ycbcr[..., i].astype(float) - (128 if i else 0) for i in range(3))
    rgb = np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], axis=-1)
    assert np.abs(pixels(tmp_path / "x.tif") - np.clip(rgb, 0, 255)).max() <= 1.5
    assert check_image(tmp_path / "x.tif") == (16, 16)


def test_only_names_make_a_targa(tmp_path: Path) -> None:
    """Nearly any bytes could be one."""
    gradient().save(tmp_path / "x.png", "TGA")
    assert refused(tmp_path / "x.png") == say(
        "images.left_out", name="x.png", fault_of_image=say("images.fault_unreadable")
    )
    assert check_image(tmp_path / "x.png", "sent.tga") == (64, 48)  # an upload has another name on the disk


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_grey_is_scaled_not_clipped(tmp_path: Path, suffix: str) -> None:
    values = np.linspace(0, 65535, 64 * 48).astype(np.uint16).reshape(48, 64)
    Image.fromarray(values).save(tmp_path / f"x.{suffix}")
    expected = np.rint(values / 65535 * 255).astype(np.uint8)
    assert (pixels(tmp_path / f"x.{suffix}") == expected[..., None]).all()


def test_big_endian_16_bit_tiff(tmp_path: Path) -> None:
    values = np.linspace(0, 65535, 64 * 48).astype(">u2").reshape(48, 64)
    Image.frombytes("I;16B", (64, 48), values.tobytes()).save(tmp_path / "x.tif")
    assert (pixels(tmp_path / "x.tif")[..., 0] == np.rint(values / 65535 * 255)).all()


def png16(path: Path, values: np.ndarray, colour_type: int, extra: bytes = b"") -> None:
    """A 16-bit PNG by hand: Pillow can't write colour ones."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    body = chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def test_16_bit_colour_and_alpha(tmp_path: Path) -> None:
    rgba = np.random.default_rng(1).integers(0, 65536, (20, 30, 4)).astype(np.uint16)
    png16(tmp_path / "rgb.png", rgba[..., :3], 2)
    png16(tmp_path / "rgba.png", rgba, 6)
    png16(tmp_path / "la.png", rgba[..., 2:], 4)
    unit = rgba / 65535
    assert np.abs(pixels(tmp_path / "rgb.png") - unit[..., :3] * 255).max() <= 1
    on_white = unit[..., :3] * unit[..., 3:] + 1 - unit[..., 3:]
    assert np.abs(pixels(tmp_path / "rgba.png") - on_white * 255).max() <= 2
    grey_on_white = unit[..., 2] * unit[..., 3] + 1 - unit[..., 3]
    assert np.abs(pixels(tmp_path / "la.png")[..., 1] - grey_on_white * 255).max() <= 2


def test_16_bit_grey_with_a_transparent_value(tmp_path: Path) -> None:
    values = np.array([[1000, 2000], [30000, 2000]], dtype=np.uint16)
    trns = struct.pack(">I", 2) + b"tRNS" + struct.pack(">H", 2000)
    png16(tmp_path / "x.png", values, 0, trns + struct.pack(">I", zlib.crc32(trns[4:])))
    assert pixels(tmp_path / "x.png")[..., 0].tolist() == [[4, 255], [117, 255]]


@pytest.mark.parametrize(
    ("top", "dtype"), [(1.0, "f4"), (255.0, "f4"), (65535.0, "f4"), (65535, "i4"), (2**31 - 1, "i4")]
)
def test_float_and_32_bit_grey(tmp_path: Path, top: float, dtype: str) -> None:
    values = np.linspace(0, top, 256).reshape(16, 16).astype(dtype)
    Image.fromarray(values).save(tmp_path / "x.tif")
    assert np.abs(pixels(tmp_path / "x.tif")[..., 0].ravel() - np.arange(256.0)).max() <= 1


def test_cmyk_against_the_formula(tmp_path: Path) -> None:
    cmyk = np.random.default_rng(2).integers(0, 256, (8, 8, 4), dtype=np.uint8)
    Image.fromarray(cmyk, mode="CMYK").save(tmp_path / "x.tif")
    c, k = cmyk[..., :3].astype(float), cmyk[..., 3:].astype(float)
    assert np.abs(pixels(tmp_path / "x.tif") - (255 - c) * (255 - k) / 255).max() <= 1


def test_cmyk_jpeg_is_not_inverted(tmp_path: Path) -> None:
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "x.jpg")
    assert np.abs(pixels(tmp_path / "x.jpg").astype(int) - RED).max() <= 4


def test_transparency_is_on_white(tmp_path: Path) -> None:
    rgba = np.zeros((4, 256, 4), dtype=np.uint8)
    rgba[..., 0], rgba[..., 3] = 255, np.arange(256)
    Image.fromarray(rgba).save(tmp_path / "rgba.png")
    assert np.abs(pixels(tmp_path / "rgba.png")[0, :, 1] - (255.0 - np.arange(256))).max() <= 1
    Image.fromarray(rgba[..., [1, 3]], mode="LA").save(tmp_path / "la.png")
    assert np.abs(pixels(tmp_path / "la.png")[0, :, 1] - (255.0 - np.arange(256))).max() <= 1


def test_palettes_with_and_without_transparency(tmp_path: Path) -> None:
    palette = Image.new("P", (4, 4))
    palette.putpalette([*RED, 0, 255, 0, 0, 0, 255])
    palette.putdata([0, 1, 2, 0] * 4)
    for suffix in ("png", "gif"):
        palette.save(tmp_path / f"plain.{suffix}")
        palette.save(tmp_path / f"clear.{suffix}", transparency=1)
        assert pixels(tmp_path / f"plain.{suffix}")[0].tolist() == [list(RED), [0, 255, 0], [0, 0, 255], list(RED)]
        assert pixels(tmp_path / f"clear.{suffix}")[0].tolist() == [list(RED), list(WHITE), [0, 0, 255], list(RED)]
    palette.save(tmp_path / "half.png", transparency=bytes([255, 128, 0]))
    assert np.abs(pixels(tmp_path / "half.png")[0].astype(int) - [RED, (127, 255, 127), WHITE, RED]).max() <= 1


@pytest.mark.parametrize("mode", ["L", "1"])
def test_grey_and_black_and_white(tmp_path: Path, mode: str) -> None:
    Image.fromarray(np.array([[0, 255]], dtype=np.uint8)).convert(mode).save(tmp_path / "x.png")
    assert pixels(tmp_path / "x.png").tolist() == [[[0] * 3, [255] * 3]]


def test_only_the_first_frame_counts(tmp_path: Path) -> None:
    for suffix in ("gif", "webp", "png", "tif"):
        first, second = Image.new("RGB", (9, 7), RED), Image.new("RGB", (9, 7), "blue")
        options = {"lossless": True} if suffix == "webp" else {}
        first.save(tmp_path / f"x.{suffix}", save_all=True, append_images=[second], **options)
        assert (pixels(tmp_path / f"x.{suffix}") == RED).all()


@pytest.mark.parametrize("suffix", ["png", "tif", "webp", "jpg", "avif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation(tmp_path: Path, suffix: str, orientation: int) -> None:
    """The corner that holds row 0, column 0 after turning is the one the EXIF standard names."""
    array = np.zeros((48, 64, 3), dtype=np.uint8)
    array[:24, :32] = RED  # the stored top left
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(array).save(tmp_path / f"x.{suffix}", exif=exif, quality=95)
    turned = {
        1: array,
        2: array[:, ::-1],
        3: array[::-1, ::-1],
        4: array[::-1],
        5: array.transpose(1, 0, 2),
        6: array.transpose(1, 0, 2)[:, ::-1],
        7: array[::-1, ::-1].transpose(1, 0, 2),
        8: array.transpose(1, 0, 2)[::-1],
    }[orientation]
    path = tmp_path / f"x.{suffix}"
    seen = pixels(path)
    assert seen.shape == turned.shape
    assert np.abs(seen.astype(int) - turned)[::8, ::8].mean() < 8  # another turn: over 20
    assert image_size(path) == check_image(path) == (turned.shape[1], turned.shape[0])


def test_broken_exif_does_not_cost_the_picture(tmp_path: Path) -> None:
    gradient().save(tmp_path / "x.jpg", exif=b"Exif\0\0garbage that is no TIFF header")
    assert image_size(tmp_path / "x.jpg") == load_image(tmp_path / "x.jpg").size == (64, 48)


def test_colour_profiles_are_converted(tmp_path: Path) -> None:
    """LAB values through a profile other than sRGB: littleCMS' own transform is the reference."""
    image = noisy(16, 16)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    image.save(tmp_path / "srgb.png", icc_profile=srgb.tobytes())
    assert np.array_equal(pixels(tmp_path / "srgb.png"), np.asarray(image))
    image.save(tmp_path / "broken.png", icc_profile=b"not a profile")
    assert np.array_equal(pixels(tmp_path / "broken.png"), np.asarray(image))
    swapped = swapped_profile(srgb.tobytes())
    image.save(tmp_path / "swapped.png", icc_profile=swapped)
    difference = pixels(tmp_path / "swapped.png").astype(int) - np.asarray(image)[..., [2, 1, 0]]
    assert np.abs(difference).max() <= 1


def swapped_profile(profile: bytes) -> bytes:
    """sRGB with its red and blue primaries exchanged and another name: its colours are ours with red for blue."""
    count = struct.unpack(">I", profile[128:132])[0]
    tags = {profile[132 + 12 * i : 136 + 12 * i]: 132 + 12 * i for i in range(count)}
    data = bytearray(profile.replace("sRGB".encode("utf-16-be"), "xxxx".encode("utf-16-be")).replace(b"sRGB", b"xxxx"))
    red, blue = tags[b"rXYZ"], tags[b"bXYZ"]
    data[red + 4 : red + 12], data[blue + 4 : blue + 12] = profile[blue + 4 : blue + 12], profile[red + 4 : red + 12]
    return bytes(data)
