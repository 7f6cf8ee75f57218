"""Backgrounds and things to hold, as SVG. Backgrounds fill a width x height box; props hang at a hand."""

import random

from creature import INK, ORANGE, ORANGE_DARK, WHITE, at, ellipse, path

PLAIN = {
    "white": ("#ffffff", "#ffffff"),
    "blue": ("#a9d8ff", "#6fb4f2"),
    "yellow": ("#ffeb99", "#ffd34f"),
    "pink": ("#ffd6e2", "#ffa9c2"),
    "purple": ("#dccbff", "#b094f0"),
    "green": ("#d5f2b4", "#a2d971"),
    "beige": ("#faecd8", "#ecd2ac"),
    "grey": ("#e6eaee", "#bfc8d1"),
    "red": ("#ff9a90", "#ee6259"),
}


def shade(name: str, top: str, bottom: str) -> str:
    return (
        f'<linearGradient id="{name}" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="{top}"/>'
        f'<stop offset="1" stop-color="{bottom}"/></linearGradient>'
    )


def wash(w: int, h: int, top: str, bottom: str) -> str:
    return f'<defs>{shade("sky", top, bottom)}</defs><rect width="{w}" height="{h}" fill="url(#sky)"/>'


def cloud(x: float, y: float, size: float, colour: str = WHITE) -> str:
    puffs = "".join(ellipse(dx, dy, r, r, colour) for dx, dy, r in ((-34, 4, 22), (-8, -12, 30), (26, -2, 25)))
    return at(x, y, puffs + f'<rect x="-56" y="4" width="108" height="24" rx="12" fill="{colour}"/>', 0, size, size)


def star(x: float, y: float, size: float, colour: str = "#fff3c4") -> str:
    return at(x, y, path("M0 -10 L2.5 -2.5 L10 0 L2.5 2.5 L0 10 L-2.5 2.5 L-10 0 L-2.5 -2.5 Z", colour), 0, size, size)


def five_star(colour: str = "#ffcf33") -> str:
    return path("M0 -30 L9 -10 L30 -8 L14 6 L19 28 L0 16 L-19 28 L-14 6 L-30 -8 L-9 -10 Z", colour, "#e8a200", 4)


def meadow(w: int, h: int, dice: random.Random) -> str:
    hills = ellipse(w * 0.2, h * 1.12, w * 0.7, h * 0.44, "#8fd05c")
    hills += ellipse(w * 0.85, h * 1.14, w * 0.8, h * 0.42, "#74bd45")
    petals = ""
    for _ in range(14):
        x, y = dice.uniform(0, w), dice.uniform(h * 0.8, h)
        colour = dice.choice(["#ffffff", "#ffd84d", "#ff9ebb"])
        petals += ellipse(x, y, 7, 6, colour) + ellipse(x, y, 2.6, 2.4, "#f0a020")
    sky = wash(w, h, "#9bdcff", "#e4f7ff") + cloud(w * 0.2, h * 0.17, 0.9) + cloud(w * 0.84, h * 0.27, 0.7)
    return sky + hills + petals


def night(w: int, h: int, dice: random.Random) -> str:
    stars = "".join(star(dice.uniform(0, w), dice.uniform(0, h * 0.7), dice.uniform(0.3, 1)) for _ in range(26))
    moon = path("M0 -46 A46 46 0 1 0 40 24 A38 38 0 1 1 0 -46 Z", "#ffe9a8")
    hill = ellipse(w * 0.5, h * 1.2, w * 0.9, h * 0.46, "#33508f")
    return wash(w, h, "#1c2a5e", "#4c5fb0") + stars + at(w * 0.84, h * 0.22, moon) + hill


def space(w: int, h: int, dice: random.Random) -> str:
    stars = "".join(star(dice.uniform(0, w), dice.uniform(0, h), dice.uniform(0.3, 1.1)) for _ in range(40))
    planet = ellipse(0, 0, 46, 46, "#ffb366") + path("M-72 14 C-30 34 40 20 74 -16", stroke="#ffe0a8", width=9)
    return wash(w, h, "#171338", "#3b2a78") + stars + at(w * 0.17, h * 0.2, planet)


def beach(w: int, h: int, dice: random.Random) -> str:
    sun = ellipse(w * 0.84, h * 0.18, h * 0.09, h * 0.09, "#fff2a6")
    sea = f'<rect y="{h * 0.52}" width="{w}" height="{h * 0.5}" fill="#3fa7e0"/>'
    crests = " ".join(f"T{w * x} {h * 0.62}" for x in (0.5, 0.75, 1))
    curve = f"M0 {h * 0.62} Q{w * 0.12} {h * 0.59} {w * 0.25} {h * 0.62} {crests}"
    waves = path(curve, stroke="#bfe8ff", width=6)
    sand = path(f"M0 {h * 0.76} C{w * 0.3} {h * 0.7} {w * 0.7} {h * 0.72} {w} {h * 0.78} V{h} H0 Z", "#f8dfa4")
    grains = "".join(ellipse(dice.uniform(0, w), dice.uniform(h * 0.82, h), 3, 2, "#dfbd77") for _ in range(24))
    return wash(w, h, "#8fd3ff", "#d8f2ff") + sun + sea + waves + sand + grains


def rain(w: int, h: int, dice: random.Random) -> str:
    drops = ""
    for _ in range(46):
        x, y = dice.uniform(0, w), dice.uniform(0, h * 0.9)
        drops += path(f"M{x:.0f} {y:.0f} l-5 20", stroke="#dcecf8", width=4)
    ground = ellipse(w * 0.5, h * 0.95, w * 0.42, h * 0.06, "#6f8799")
    clouds = cloud(w * 0.2, h * 0.08, 1.3, "#c9d4de") + cloud(w * 0.8, h * 0.1, 1.2, "#c9d4de")
    return wash(w, h, "#8ba3b8", "#b4c6d4") + drops + clouds + ground


def snow(w: int, h: int, dice: random.Random) -> str:
    flakes = "".join(
        ellipse(dice.uniform(0, w), dice.uniform(0, h), r, r, WHITE) for r in [dice.uniform(3, 7) for _ in range(60)]
    )
    hills = ellipse(w * 0.25, h * 1.12, w * 0.7, h * 0.4, "#f4faff")
    hills += ellipse(w * 0.9, h * 1.12, w * 0.6, h * 0.42, "#e3f0fb")
    return wash(w, h, "#8fb8e6", "#cfe4f8") + hills + flakes


def confetti(w: int, h: int, dice: random.Random) -> str:
    bits = ""
    for _ in range(70):
        colour = dice.choice(["#ff6b6b", "#ffd93d", "#6bcb77", "#4d96ff", "#c77dff"])
        bit = f'<rect x="-7" y="-4" width="14" height="8" rx="2" fill="{colour}"/>'
        bits += at(dice.uniform(0, w), dice.uniform(0, h), bit, dice.uniform(0, 180))
    return wash(w, h, "#fff8ec", "#ffeaf2") + bits


def sky(w: int, h: int, dice: random.Random) -> str:
    clouds = cloud(w * 0.22, h * 0.2, 1) + cloud(w * 0.8, h * 0.42, 0.8)
    clouds += cloud(w * 0.2, h * 0.86, 1.1) + cloud(w * 0.84, h * 0.92, 1.2)
    return wash(w, h, "#6bbcff", "#d3eeff") + clouds


def sunset(w: int, h: int, dice: random.Random) -> str:
    sun = ellipse(w * 0.5, h * 0.74, w * 0.22, w * 0.22, "#fff0b8")
    ground = ellipse(w * 0.5, h * 1.2, w * 0.95, h * 0.42, "#6b4a86")
    return wash(w, h, "#8f6fc4", "#ffb38a") + sun + ground


SCENES = {f.__name__: f for f in (meadow, night, space, beach, rain, snow, confetti, sky, sunset)}


def background(name: str, w: int, h: int, seed: int) -> str:
    if name in PLAIN:
        return wash(w, h, *PLAIN[name])
    return SCENES[name](w, h, random.Random(seed))


def shadow(width: float = 120, strength: float = 0.16) -> str:
    return ellipse(0, 8, width, 15, "#1b2b3a", f'opacity="{strength}"')


BALLOON = path("M0 0 C-8 -50 8 -90 0 -136", stroke="#8a8f98", width=4) + at(
    0,
    -190,
    path("M0 58 C-54 24 -56 -56 0 -58 C56 -56 54 24 0 58 Z", "#ff4f5e")
    + path("M-9 66 L0 54 L9 66 Z", "#d92f45")
    + ellipse(-20, -24, 9, 16, "#ffb3b8", 'transform="rotate(18 -20 -24)"'),
)
COVER = "M0 -6 C-22 -22 -58 -22 -76 -12 V56 C-58 46 -22 46 0 60 C22 46 58 46 76 56 V-12 C58 -22 22 -22 0 -6 Z"
PANEL = "M0 -2 C-20 -15 -50 -16 -67 -8 V46 C-50 38 -20 40 0 52 C20 40 50 38 67 46 V-8 C50 -16 20 -15 0 -2 Z"
BOOK = (
    path(COVER, "#d8404f")
    + path(PANEL, "#e65c66")
    + at(36, 20, five_star("#ffd86b"), 0, 0.6, 0.6)
    + path("M0 -4 V56", stroke="#a82a3a", width=5)
)
ICE_CREAM = (
    path("M-22 -34 L0 26 L22 -34 Z", "#e0a458", "#b97c35", 3)
    + path("M-14 -16 L8 4 M14 -16 L-8 4", stroke="#b97c35", width=3)
    + ellipse(0, -48, 30, 26, "#ff9ec4")
    + ellipse(-4, -76, 23, 20, "#fff3d6")
    + ellipse(2, -98, 8, 8, "#e2333f")
)
FLOWER = (
    path("M0 10 C4 -20 -4 -40 0 -66", stroke="#4d9a3c", width=7)
    + path("M0 -20 C14 -34 28 -32 32 -24 C24 -12 10 -10 0 -20 Z", "#5fb548")
    + "".join(at(0, -78, ellipse(0, -20, 12, 17, "#ff6fa3"), a) for a in range(0, 360, 60))
    + ellipse(0, -78, 13, 13, "#ffd23f")
)
UMBRELLA = (
    path("M0 30 V-190", stroke="#6b4a35", width=8)
    + path("M-150 -150 C-140 -250 140 -250 150 -150 C130 -168 112 -168 100 -150 C84 -170 62 -170 50 -150 "
           "C34 -170 -34 -170 -50 -150 C-62 -170 -84 -170 -100 -150 C-112 -168 -130 -168 -150 -150 Z", "#f2c12e")
    + path("M-50 -150 C-40 -190 -16 -222 0 -226 C16 -222 40 -190 50 -150 C34 -170 -34 -170 -50 -150 Z", "#ffd95e")
    + path("M0 -226 V-242", stroke="#6b4a35", width=8)
)  # fmt: skip
MUG = (
    path("M24 -26 C54 -30 54 22 24 18", stroke="#5b6ee1", width=10)
    + path("M-30 -34 H30 V14 C30 34 -30 34 -30 14 Z", "#6f82f0")
    + ellipse(0, -34, 30, 8, "#7a4a2c")
    + path("M-10 -54 C-18 -66 -2 -72 -10 -86 M10 -54 C2 -66 18 -72 10 -86", stroke=WHITE, width=5, more='opacity=".85"')
)
STAR = at(0, -14, five_star(), 8, 1.5, 1.5)


def box(x: float, y: float, w: float, h: float, fill: str, rx: float = 0) -> str:
    return f'<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="{rx}" fill="{fill}"/>'


GIFT = (
    box(-42, -40, 84, 72, "#c65bd6", 8)
    + box(-48, -50, 96, 26, "#d97be6", 7)
    + box(-9, -50, 18, 82, "#ffe27a")
    + path("M0 -50 C-40 -88 -44 -48 0 -50 C44 -48 40 -88 0 -50", stroke="#ffe27a", width=9)
)
PENCIL = at(
    0,
    0,
    box(-9, -90, 18, 100, "#ffd23f")
    + box(-9, -104, 18, 16, "#ff8fa3", 5)
    + path("M-9 10 L0 32 L9 10 Z", "#f3d3a3")
    + path("M-3 24 L0 32 L3 24 Z", INK),
    -160,
)
FLAG = path("M0 20 V-120", stroke="#7a5236", width=8) + path(
    "M2 -120 C30 -134 50 -104 84 -118 V-66 C50 -52 30 -82 2 -68 Z", "#5b6ee1"
)
PARTY_HAT = (
    path("M-40 0 L0 -92 L40 0 C20 12 -20 12 -40 0 Z", "#ff5fa2")
    + "".join(ellipse(x, y, 6, 6, "#ffe27a") for x, y in ((-14, -20), (12, -34), (10, -6), (-2, -54)))
    + ellipse(0, -94, 13, 13, "#ffe27a")
)
CUSHION = ellipse(0, 20, 190, 34, "#ff9fb5") + ellipse(0, 10, 176, 26, "#ffc2d0")
DREAMS = "".join(
    at(x, y, path("M-12 -14 H12 L-12 14 H12", stroke="#ffffff", width=7), -8, size, size)
    for x, y, size in ((0, 0, 0.8), (34, -36, 1.1), (76, -84, 1.5))
)
SCOOTER = (
    path("M-96 6 H70", stroke="#5b6ee1", width=14)
    + path("M-96 6 L-124 -138 M-150 -138 H-100", stroke="#4251b8", width=11)
    + "".join(ellipse(x, 30, 26, 26, INK) + ellipse(x, 30, 11, 11, "#cfd8e3") for x in (-104, 74))
)
SKIS = path("M-150 -6 C-146 8 -140 10 -130 10 H130", stroke="#e2333f", width=12)
APPLE = (
    ellipse(0, 0, 30, 28, "#e2333f")
    + path("M0 -26 C0 -38 6 -44 12 -46", stroke="#6b4a35", width=6)
    + ellipse(-10, -8, 6, 9, "#ff8f8a")
)
GUITAR = at(
    0,
    0,
    box(-8, -150, 16, 110, "#7a4a2c")
    + box(-13, -172, 26, 28, "#5a3520", 5)
    + ellipse(0, -26, 34, 32, ORANGE_DARK)
    + ellipse(0, 20, 46, 42, ORANGE)
    + ellipse(0, 0, 15, 15, "#5a3520"),
    58,
)
