"""Draw the mascot's pictures and captions: the subject folder of datasets_example.

    python tools/mascot/draw.py datasets_example/subject
    python tools/mascot/draw.py --check benchmarks/quality/mascot_unseen.webp

The second form draws poses that are in no training folder, as one sheet, for
judging. Same program, same bytes of drawing every time; resvg renders.
"""

import argparse
import io
from dataclasses import dataclass, field
from pathlib import Path

import resvg_py
import scenes as s
from creature import DEFS, Pose, at, creature
from PIL import Image

TRIGGER = "zibbo"


@dataclass
class Picture:
    name: str  # the file; the ending chooses the format
    caption: str  # after the trigger word
    scene: str
    pose: Pose = field(default_factory=Pose)
    size: tuple[int, int] = (320, 320)
    place: tuple[float, float] = (0.5, 0.87)  # where the feet stand, in parts of the picture
    height: float = 0.8  # of the creature, 330 units, in parts of the picture's shorter side
    turn: float = 0.0
    shadow: bool = True
    behind: str = ""  # SVG in the creature's coordinates, before it
    before: str = ""  # and after it


P = Pose
PICTURES = [
    Picture("zibbo_01.png", "standing, white background", "white", P(), (512, 512)),
    Picture("zibbo_02.png", "waving, blue background", "blue", P(right=142, eyes="happy", mouth="open", tilt=-4)),
    Picture(
        "zibbo_03.jpg", "sleeping on a pink cushion, night sky", "night", P(feet="none", eyes="closed", mouth="small",
        squash=1.22, left=35, right=35, antenna=26), (600, 400), place=(0.44, 0.88), height=0.86,
        behind=s.CUSHION, before=at(150, -215, s.DREAMS),
    ),
    Picture(
        "zibbo_04.png", "jumping, yellow background", "yellow", P(feet="jump", left=132, right=132, eyes="happy",
        mouth="open", squash=0.95, scarf=0.7, tail=-12, antenna=-8), (400, 400), place=(0.5, 0.8), height=0.7,
    ),
    Picture(
        "zibbo_05.jpg", "walking, side view, meadow", "meadow", P(view="side", feet="walk", scarf=0.85, right=-25),
        (480, 480), height=0.76,
    ),
    Picture(
        "zibbo_06.webp", "holding a red balloon, sky with clouds", "sky", P(right=128, feet="jump", mouth="open",
        look=(0.6, -0.8), held_right=s.BALLOON), (400, 600), place=(0.44, 0.9), height=0.9, shadow=False,
    ),
    Picture("zibbo_07.png", "close-up of the face, pink background", "pink", P(mouth="smile"), (320, 320),
            place=(0.5, 1.5), height=1.7, shadow=False),
    Picture("zibbo_08.jpg", "winking, purple background", "purple", P(eyes="wink", mouth="grin", tilt=6), (256, 256)),
    Picture("zibbo_09.png", "sitting and reading a red book, beige background", "beige", P(feet="sit", left=10,
            right=10, look=(0, 0.9), mouth="small"), (360, 360), before=at(0, -78, s.BOOK)),
    Picture("zibbo_10.jpg", "eating ice cream, beach", "beach", P(left=112, mouth="open", eyes="happy",
            held_left=s.ICE_CREAM), (512, 384), place=(0.52, 0.92), height=0.84),
    Picture("zibbo_11.png", "holding a pink flower, green background", "green", P(right=66, held_right=s.FLOWER,
            look=(0.8, 0.2)), (320, 320), place=(0.47, 0.87)),
    Picture("zibbo_12.jpg", "under a yellow umbrella, rain", "rain", P(right=115, mouth="small", look=(0.5, -0.8),
            held_right=at(0, -4, s.UMBRELLA, -15)), (450, 512), place=(0.42, 0.92), height=0.66),
    Picture("zibbo_13.webp", "wearing a party hat, confetti", "confetti", P(eyes="happy", mouth="open", left=136,
            right=136, antenna=38), (400, 400), height=0.76, before=at(-42, -250, s.PARTY_HAT, -14)),
    Picture("zibbo_14.png", "from behind, white background", "white", P(view="back"), (320, 320)),
    Picture("zibbo_15.png", "surprised, white background", "white", P(eyes="wide", mouth="o", left=75, right=75,
            antenna=-10), (384, 384)),
    Picture("zibbo_16.jpg", "drinking from a blue mug, snow", "snow", P(feet="sit", left=12, right=52, eyes="happy",
            held_right=at(-30, -14, s.MUG)), (480, 400), place=(0.5, 0.9), height=0.8),
    Picture("zibbo_17.png", "dancing, blue background", "blue", P(left=128, right=72, tilt=-13, eyes="happy",
            mouth="open", scarf=0.6, feet="jump"), (300, 300), height=0.74),
    Picture("zibbo_18.png", "side view, white background", "white", P(view="side"), (300, 300)),
    Picture("zibbo_19.jpg", "floating in space, holding a star", "space", P(feet="jump", left=118, right=60, tilt=16,
            mouth="open", held_left=s.STAR, look=(-0.7, -0.5)), (512, 512), place=(0.56, 0.84), height=0.7,
            shadow=False),
    Picture("zibbo_20.png", "sitting, grey background", "grey", P(feet="sit", left=15, right=15), (256, 256)),
]  # fmt: skip

UNSEEN = [
    Picture("", "holding a gift, pink background", "pink", P(left=40, right=40), before=at(0, -60, s.GIFT)),
    Picture("", "waving a flag, white background", "white", P(right=122, mouth="open", held_right=s.FLAG),
            place=(0.42, 0.87)),
    Picture("", "on a scooter, side view, green background", "green", P(view="side", feet="none", right=-50, scarf=1),
            place=(0.54, 0.8), height=0.7, before=s.SCOOTER),
    Picture("", "sleepy, sunset", "sunset", P(eyes="sleepy", mouth="small", feet="sit")),
    Picture("", "skiing, snow", "snow", P(view="side", tilt=-9, scarf=1, right=-60), height=0.7, before=s.SKIS),
    Picture("", "holding an apple, yellow background", "yellow", P(left=70, held_left=s.APPLE)),
    Picture("", "playing a guitar, purple background", "purple", P(left=50, right=30, eyes="happy", mouth="open"),
            before=at(10, -66, s.GUITAR)),
    Picture("", "close-up of the face, white background", "white", P(eyes="happy", mouth="open"),
            place=(0.5, 1.4), height=1.6),
    Picture("", "jumping, meadow", "meadow", P(feet="jump", left=130, right=130, mouth="open", scarf=0.8),
            place=(0.5, 0.76), height=0.66),
    Picture("", "drawing with a pencil, beige background", "beige", P(right=70, held_right=s.PENCIL)),
    Picture("", "small and far away, beach", "beach", P(), height=0.45, place=(0.4, 0.9)),
    Picture("", "standing, red background", "red", P(mouth="grin")),
]  # fmt: skip


def render(picture: Picture, seed: int) -> Image.Image:
    """RGB, exactly picture.size."""
    w, h = picture.size
    scale = picture.height * min(w, h) / 330
    whole = picture.behind + creature(picture.pose) + picture.before
    ground = s.shadow() if picture.shadow else ""
    figure = at(picture.place[0] * w, picture.place[1] * h, ground + whole, picture.turn, scale, scale)
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}"><defs>{DEFS}</defs>'
        f"{s.background(picture.scene, w, h, seed)}{figure}</svg>"
    )
    png = resvg_py.svg_to_bytes(svg_string=svg, width=w, height=h, background="white")
    return Image.open(io.BytesIO(bytes(png))).convert("RGB")


def save(image: Image.Image, path: Path) -> None:
    """As a user would have it: PNG, or JPEG and WebP of good quality."""
    image.save(path, optimize=True) if path.suffix == ".png" else image.save(path, quality=90)


def sheet(pictures: list[Picture], side: int = 128, columns: int = 6) -> Image.Image:
    rows = -(-len(pictures) // columns)
    out = Image.new("RGB", (columns * side, rows * side), "white")
    for i, picture in enumerate(pictures):
        image = render(picture, 1000 + i)
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
        x, y = i % columns * side, i // columns * side
        out.paste(image, (x + (side - image.width) // 2, y + (side - image.height) // 2))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", type=Path, help="the folder, or with --check the sheet's file")
    parser.add_argument("--check", action="store_true", help="draw the unseen poses as one sheet")
    args = parser.parse_args()
    if args.check:
        sheet(UNSEEN).save(args.target, lossless=True, method=6)
        return
    args.target.mkdir(parents=True, exist_ok=True)
    for i, picture in enumerate(PICTURES):
        path = args.target / picture.name
        save(render(picture, i), path)
        path.with_suffix(".txt").write_text(f"{TRIGGER} {picture.caption}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
