"""The mascot's body as SVG: one rig, posed by a few numbers.

Zibbo is a plump teal creature with fox ears, a cream face, one curled antenna
with a coral bead, an orange scarf and a bushy ringed tail. Coordinates: the
creature stands on (0, 0), about 300 units tall, y down; callers place it with
a transform. Every shape is drawn by this program.
"""

import math
from dataclasses import dataclass

TEAL, TEAL_LIGHT, TEAL_DARK, TEAL_DEEP = "#17b3a6", "#3fd3c2", "#0c8a86", "#0a5f66"
CREAM, CREAM_DARK = "#fff4dc", "#f4dcb4"
ORANGE, ORANGE_LIGHT, ORANGE_DARK = "#ff8a1e", "#ffb04a", "#e0620a"
CORAL, INK, BLUSH, WHITE = "#ff5a4e", "#17313a", "#ff9d94", "#ffffff"


@dataclass
class Pose:
    """What may differ between pictures; angles in degrees, 0 = hanging down, 180 = straight up."""

    view: str = "front"  # front, side, back
    eyes: str = "open"  # open, happy, closed, wink, wide, sleepy
    look: tuple[float, float] = (0.0, 0.0)  # where the pupils go, -1..1
    mouth: str = "smile"  # smile, open, small, o, grin
    left: float = 25.0  # the arm at the picture's left
    right: float = 25.0
    tilt: float = 0.0  # of the whole body
    squash: float = 1.0  # above 1: flatter and wider
    feet: str = "stand"  # stand, sit, jump, walk, none
    tail: float = 0.0  # wag
    scarf: float = 0.0  # 0 hangs, 1 flies
    antenna: float = 0.0  # lean
    held_right: str = ""  # SVG drawn at the right hand, origin at the hand, before the arm
    held_left: str = ""


DEFS = f"""
<radialGradient id="body" cx=".38" cy=".26" r=".85"><stop offset="0" stop-color="{TEAL_LIGHT}"/>
 <stop offset=".55" stop-color="{TEAL}"/><stop offset="1" stop-color="{TEAL_DARK}"/></radialGradient>
<linearGradient id="ear" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="{TEAL_DARK}"/>
 <stop offset="1" stop-color="{TEAL}"/></linearGradient>
<radialGradient id="face" cx=".45" cy=".3" r=".8"><stop offset="0" stop-color="#fffaf0"/>
 <stop offset=".7" stop-color="{CREAM}"/><stop offset="1" stop-color="{CREAM_DARK}"/></radialGradient>
<linearGradient id="scarf" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="{ORANGE_LIGHT}"/>
 <stop offset=".45" stop-color="{ORANGE}"/><stop offset="1" stop-color="{ORANGE_DARK}"/></linearGradient>
<radialGradient id="bead" cx=".35" cy=".3" r=".8"><stop offset="0" stop-color="#ff9a8c"/>
 <stop offset=".6" stop-color="{CORAL}"/><stop offset="1" stop-color="#d83a3a"/></radialGradient>
<linearGradient id="tail" x1="0" y1="1" x2="1" y2="0"><stop offset="0" stop-color="{TEAL_DARK}"/>
 <stop offset="1" stop-color="{TEAL_LIGHT}"/></linearGradient>
"""


def at(x: float, y: float, body: str, turn: float = 0.0, sx: float = 1.0, sy: float = 1.0) -> str:
    return f'<g transform="translate({x:.2f} {y:.2f}) rotate({turn:.2f}) scale({sx:.4f} {sy:.4f})">{body}</g>'


def path(d: str, fill: str = "none", stroke: str = "none", width: float = 0, more: str = "") -> str:
    return (
        f'<path d="{d}" fill="{fill}" stroke="{stroke}" stroke-width="{width}" '
        f'stroke-linecap="round" stroke-linejoin="round" {more}/>'
    )


def ellipse(x: float, y: float, rx: float, ry: float, fill: str, more: str = "") -> str:
    return f'<ellipse cx="{x}" cy="{y}" rx="{rx}" ry="{ry}" fill="{fill}" {more}/>'


def antenna(lean: float) -> str:
    """A stalk that ends in an open curl with the coral bead in its middle; root at (0, 0)."""
    points = []
    for i in range(41):  # a spiral, wound inwards
        t = i / 40
        angle = math.radians(180 + 400 * t)
        radius = 31 * (1 - 0.62 * t)
        points.append(f"{31 + radius * math.cos(angle):.1f} {-50 + radius * math.sin(angle):.1f}")
    stalk = "M0 6 C-2 -14 0 -34 " + points[0] + " L" + " L".join(points[1:])
    x, y = map(float, points[-1].split())
    bead = ellipse(x, y, 15, 15, "url(#bead)") + ellipse(x - 5, y - 5, 4, 3, "#ffd9d2")
    return at(0, 0, path(stalk, stroke=TEAL_DEEP, width=11) + bead, lean)


def ear(side: int, inside: bool = True) -> str:
    outer = path("M-30 34 C-40 -8 -34 -50 -22 -64 C-2 -54 30 -22 38 14 Z", "url(#ear)")
    inner = path("M-17 26 C-24 -4 -22 -28 -17 -42 C-4 -32 14 -12 21 10 Z", "#ffc9b0")
    return at(0, 0, outer + (inner if inside else ""), 0, side, 1)


def tail(wag: float) -> str:
    """Bushy, with a cream tip; root at (0, 0), growing to the right and up."""
    shape = (
        "M-4 8 C40 24 104 8 116 -46 C122 -78 110 -104 92 -118 C90 -92 70 -84 58 -62 "
        "C44 -38 22 -26 -4 -20 C-20 -16 -20 2 -4 8 Z"
    )
    tip = "M116 -46 C122 -78 110 -104 92 -118 C90 -96 74 -86 62 -68 C76 -74 88 -64 96 -68 C100 -58 110 -58 116 -46 Z"
    ring = "M44 -44 C58 -34 66 -20 70 0 C80 -4 90 -10 98 -18 C92 -36 80 -50 64 -70 C58 -60 52 -52 44 -44 Z"
    body = path(shape, "url(#tail)") + path(ring, TEAL_DEEP, more='opacity=".35"') + path(tip, CREAM)
    return at(0, 0, body, wag)


def eye(kind: str, look: tuple[float, float], side: int) -> str:
    if kind == "wink":
        kind = "happy" if side > 0 else "open"
    if kind == "happy":
        return path("M-15 6 C-10 -14 10 -14 15 6", stroke=INK, width=7)
    if kind == "closed":
        return path("M-15 -3 C-9 11 9 11 15 -3", stroke=INK, width=7)
    grow = 1.15 if kind == "wide" else 1.0
    x, y = 5 * look[0], 5 * look[1]
    ball = ellipse(x, y, 16 * grow, 20 * grow, INK)
    light = ellipse(x - 5, y - 8, 6.5 * grow, 7.5 * grow, WHITE) + ellipse(x + 6, y + 8, 3, 3.5, "#bff3ea")
    lid = path(f"M-20 -24 H20 V{y - 2} H-20 Z", CREAM) if kind == "sleepy" else ""
    return ball + light + lid


def mouth(kind: str) -> str:
    if kind == "open":
        lips = "M-17 -3 C-10 1 10 1 17 -3 C18 22 -18 22 -17 -3 Z"
        return path(lips, "#7a2230") + path("M-9 11 C-4 4 6 4 9 11 C5 17 -5 17 -9 11 Z", "#ff7f7a")
    if kind == "o":
        return ellipse(0, 5, 7, 9, "#7a2230")
    if kind == "small":
        return path("M-7 2 C-3 6 3 6 7 2", stroke=INK, width=5)
    if kind == "grin":
        return path("M-20 -4 C-10 14 10 14 20 -4", stroke=INK, width=5.5)
    return path("M-14 -2 C-10 8 -2 8 0 0 C2 8 10 8 14 -2", stroke=INK, width=5)


def reach(angle: float) -> float:
    """A raised arm is drawn longer: its shoulder is hidden behind the body."""
    return 1.45 if angle > 100 else 1.0


def arm(angle: float, side: int) -> str:
    """A flipper from the shoulder, 62 long; angle 0 hangs, 180 points up, outwards on its side."""
    shape = "M-15 -4 C-19 22 -16 52 -2 66 C12 60 20 26 15 -4 C8 -14 -8 -14 -15 -4 Z"
    shine = path("M-8 0 C-10 22 -8 42 -2 52", stroke=TEAL, width=8)
    return at(0, 0, path(shape, TEAL_DARK) + shine, -side * angle, 1.15, reach(angle))


def foot(turn: float = 0.0) -> str:
    toes = path("M-4 6 V12 M10 6 V12", stroke=ORANGE_DARK, width=3.5)
    return at(0, 0, path("M-26 8 C-26 -10 -8 -15 4 -13 C22 -11 34 -2 33 9 C32 16 -24 16 -26 8 Z", ORANGE) + toes, turn)


def scarf(fly: float, front: bool = True) -> str:
    """Around the neck, centre (0, 0), 150 wide; the end hangs or flies to the right."""
    end = "M-16 0 L18 -4 L26 62 L-12 66 Z"
    stripes = path("M-13 38 L23 33 M-12 52 L25 47", stroke="#fff1d0", width=6)
    loose = at(40 + 40 * fly, 14, path(end, "url(#scarf)") + stripes, -8 - 92 * fly, 1, 1 + 0.5 * fly)
    band = "M-92 -18 C-50 14 50 14 92 -18 C100 -4 98 12 90 20 C48 48 -48 48 -90 20 C-98 12 -100 -4 -92 -18 Z"
    marks = "M-60 3 L-64 34 M-22 13 L-24 42 M18 13 L20 42 M58 4 L62 35"
    knot = path("M22 2 C40 -6 60 0 62 18 C60 38 36 42 24 32 C16 24 14 10 22 2 Z", ORANGE_DARK)
    around = path(band, "url(#scarf)") + path(marks, stroke="#fff1d0", width=6, more='opacity=".9"')
    return (loose + around + knot) if front else around


BODY = "M0 -262 C78 -262 122 -206 124 -132 C126 -52 84 -6 0 -6 C-84 -6 -126 -52 -124 -132 C-122 -206 -78 -262 0 -262 Z"
MASK = "M0 -196 C18 -232 92 -226 96 -164 C98 -112 52 -92 0 -92 C-52 -92 -98 -112 -96 -164 C-92 -226 -18 -232 0 -196 Z"


def hand(shoulder: tuple[float, float], angle: float, side: int) -> tuple[float, float]:
    turn = math.radians(angle)
    length = 58 * reach(angle)
    return shoulder[0] + side * length * math.sin(turn), shoulder[1] + length * math.cos(turn)


def front(pose: Pose) -> str:
    back = pose.view == "back"
    shoulders = {-1: (-104, -98), 1: (104, -98)}
    angles = {-1: pose.left, 1: pose.right}
    parts = [at(70, -34, tail(pose.tail))] if not back else []
    parts.append(feet(pose.feet))
    parts.append(at(-66, -232, ear(1, not back)) + at(66, -232, ear(-1, not back)))
    parts.append(at(2, -256, antenna(pose.antenna)))
    for side, held in ((-1, pose.held_left), (1, pose.held_right)):
        if angles[side] > 100:  # a raised arm starts behind the body
            parts.append(at(*hand(shoulders[side], angles[side], side), held))
            parts.append(at(*shoulders[side], arm(angles[side], side)))
    parts.append(path(BODY, "url(#body)"))
    if not back:
        parts.append(path("M-64 -30 C-60 -84 60 -84 64 -30 C40 -8 -40 -8 -64 -30 Z", "url(#face)"))
        parts.append(path(MASK, "url(#face)"))
        parts.append(ellipse(-66, -122, 16, 10, BLUSH) + ellipse(66, -122, 16, 10, BLUSH))
        parts.append(at(-42, -158, eye(pose.eyes, pose.look, -1)) + at(42, -158, eye(pose.eyes, pose.look, 1)))
        parts.append(path("M-9 -138 C-9 -146 9 -146 9 -138 C7 -129 -7 -129 -9 -138 Z", INK))
        parts.append(at(0, -122, mouth(pose.mouth)))
    parts.append(at(0, -92, scarf(pose.scarf, front=not back), 0, 1.16, 1))
    for side, held in ((-1, pose.held_left), (1, pose.held_right)):
        if angles[side] <= 100:
            parts.append(at(*hand(shoulders[side], angles[side], side), held))
            parts.append(at(*shoulders[side], arm(angles[side], side)))
    if back:
        parts.append(at(10, -34, tail(pose.tail), 0, 1.1, 1.1))
    return "".join(parts)


def feet(kind: str) -> str:
    if kind == "sit":
        return ""
    if kind == "jump":
        return at(-52, -2, foot(24)) + at(52, -2, foot(-24), 0, -1, 1)
    if kind == "none":
        return ""
    return at(-48, -8, foot(), 0, -1, 1) + at(48, -8, foot())


def soles() -> str:
    """Feet seen from below, for sitting, before the body."""
    sole = ellipse(0, 0, 30, 34, ORANGE) + ellipse(0, 6, 14, 14, ORANGE_LIGHT)
    toes = "".join(ellipse(x, y, 6, 7, ORANGE_LIGHT) for x, y in ((-15, -16), (0, -22), (15, -16)))
    return at(-66, -18, sole + toes, -14) + at(66, -18, sole + toes, 14)


def side(pose: Pose) -> str:
    """Facing left."""
    face = (
        "M-118 -168 C-112 -214 -66 -232 -34 -210 C-4 -188 -12 -128 -48 -104 C-76 -90 -106 -94 -116 -112 "
        "C-134 -118 -146 -132 -142 -146 C-138 -158 -122 -156 -118 -168 Z"
    )
    parts = [at(84, -38, tail(pose.tail))]
    if pose.feet == "walk":
        parts.append(at(-40, -10, foot(-14), 0, -1, 1) + at(52, -14, foot(26), 0, -1, 1))
    elif pose.feet != "none":
        parts.append(at(-34, -8, foot(), 0, -1, 1) + at(26, -8, foot(), 0, -1, 1))
    parts.append(at(-52, -230, ear(1), 0, 0.8, 0.9) + at(-14, -256, antenna(pose.antenna), -6, -1, 1))
    parts.append(path(BODY, "url(#body)") + at(50, -222, ear(-1), 6))
    belly = "M-116 -52 C-104 -80 -70 -84 -50 -64 C-40 -44 -54 -20 -78 -22 C-98 -30 -110 -40 -116 -52 Z"
    parts.append(path(belly, "url(#face)"))
    parts.append(path(face, "url(#face)") + ellipse(-46, -126, 14, 10, BLUSH))
    parts.append(at(-72, -160, eye(pose.eyes, (-0.8 + pose.look[0], pose.look[1]), 1)))
    parts.append(ellipse(-139, -143, 9, 7.5, INK))
    parts.append(path("M-124 -118 C-114 -108 -100 -108 -94 -116", stroke=INK, width=5))
    parts.append(at(2, -90, scarf(pose.scarf), 4, 1.18, 1))
    parts.append(at(*hand((12, -92), pose.right, -1), pose.held_right))
    parts.append(at(12, -92, arm(pose.right, -1)))
    return "".join(parts)


def creature(pose: Pose) -> str:
    """The whole creature, feet at (0, 0)."""
    drawn = side(pose) if pose.view == "side" else front(pose)
    if pose.feet == "sit":
        drawn += soles()
    return at(0, 0, at(0, 0, drawn, 0, pose.squash, 1 / pose.squash), pose.tilt)
