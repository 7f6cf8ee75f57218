"""Curves and bars as SVG text, in the colours of the page around them (CSS classes)."""

from collections.abc import Mapping, Sequence
from html import escape

WIDE, HIGH = 640, 220
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 12, 26  # the margins around the plot


def curves(series: Mapping[str, tuple[str, Sequence[tuple[int, float]]]], marks: Sequence[int] = ()) -> str:
    """Lines over the steps. series: name -> (CSS class, points). marks: steps with a line of their own; "" of nothing.

    Both axes are linear; the upper one begins at 0.
    """
    told = {name: entry for name, entry in series.items() if entry[1]}
    if not told:
        return ""
    last = max(max(step for step, _ in points) for _, points in told.values()) or 1
    values = sorted(value for _, points in told.values() for _, value in points)
    most = (values[-1] if len(values) < 50 else min(values[-1], 3 * values[int(0.98 * len(values))])) or 1.0

    def place(step: float, value: float) -> str:
        x = LEFT + (WIDE - LEFT - RIGHT) * step / last
        y = HIGH - BOTTOM - (HIGH - TOP - BOTTOM) * min(value / most, 1.0)
        return f"{x:.1f},{y:.1f}"

    lines = "".join(_tick(place, last, most, share) for share in (0.0, 0.25, 0.5, 0.75, 1.0))
    for step in marks:
        x, _, _ = place(step, 0).partition(",")
        lines += f'<line class="mark" x1="{x}" y1="{TOP}" x2="{x}" y2="{HIGH - BOTTOM}"/>'
    for kind, points in told.values():
        lines += f'<polyline class="{escape(kind)}" points="{" ".join(place(*point) for point in points)}"/>'
        if len(points) <= 60:
            dots = (place(*point).split(",") for point in points)
            lines += "".join(f'<circle class="{escape(kind)}" cx="{x}" cy="{y}" r="2.5"/>' for x, y in dots)
    names = ", ".join(told)
    return f'<svg viewBox="0 0 {WIDE} {HIGH}" role="img" aria-label="{escape(names)}">{lines}</svg>'


def _tick(place, last: float, most: float, share: float) -> str:
    """A line across at a share of the height with its value, and a step below at the same share of the width."""
    _, _, y = place(0, share * most).partition(",")
    x, _, _ = place(share * last, 0).partition(",")
    return (
        f'<line class="grid" x1="{LEFT}" y1="{y}" x2="{WIDE - RIGHT}" y2="{y}"/>'
        f'<text x="{LEFT - 6}" y="{float(y) + 4:.1f}" text-anchor="end">{share * most:.3g}</text>'
        f'<text x="{x}" y="{HIGH - 8}" text-anchor="{"end" if share == 1 else "middle"}">{share * last:.0f}</text>'
    )


def bars(shares: Sequence[float], upto: int) -> str:
    """One bar for each share (0 to 1), the first ``upto`` of them strong."""
    wide = (WIDE - LEFT - RIGHT) / max(len(shares), 1)
    tall = HIGH / 2 - TOP - BOTTOM
    most = max(shares, default=0) or 1
    drawn = "".join(
        f'<rect class="{"strong" if i < upto else "weak"}" x="{LEFT + i * wide:.1f}" width="{max(wide - 2, 1):.1f}"'
        f' y="{TOP + tall * (1 - share / most):.1f}" height="{tall * share / most:.1f}"/>'
        f'<text x="{LEFT + (i + 0.5) * wide:.1f}" y="{TOP + tall + 16:.0f}" text-anchor="middle">{i + 1}</text>'
        for i, share in enumerate(shares)
    )
    top = f'<text x="{LEFT - 6}" y="{TOP + 10}" text-anchor="end">{most:.0%}</text>'
    return f'<svg viewBox="0 0 {WIDE} {HIGH // 2}" role="img" aria-label="{upto} / {len(shares)}">{top}{drawn}</svg>'
