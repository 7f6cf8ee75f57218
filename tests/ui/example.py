"""Images and texts for the tests."""

from pathlib import Path

from PIL import Image, ImageDraw

from sdlora.data.captions import write_caption

HOSTILE = "<img src=x onerror=\"document.title='pwned'\"> ${document.title='pwned'} {{7*7}} <b>bold</b>"


def make_images(folder: Path, count: int, caption: str = "a disc, number {n}") -> Path:
    """``count`` different PNGs of 96 pixels, each with a caption."""
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(1, count + 1):
        image = Image.new("RGB", (96, 96), (240, 240, 250))
        ImageDraw.Draw(image).ellipse((10, 10, 40 + n % 40, 40 + n % 40), fill=(n * 7 % 256, 90, 160))
        image.save(folder / f"disc{n:04d}.png")
        write_caption(folder / f"disc{n:04d}.png", caption.format(n=n))
    return folder
