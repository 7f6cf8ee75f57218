"""The results as Markdown, between two marks in the README: nothing there is written by hand."""

from collections.abc import Iterable
from pathlib import Path

FAMILY = {"sd1": "SD 1.5", "sd2": "SD 2.1", "sdxl": "SDXL"}


def update_readme(path: Path, made: str, maker: str = "check.py") -> None:
    """Put ``made`` between the marks of ``maker``."""
    begin, end = f"<!-- made by {maker} -->", f"<!-- end of {maker} -->"
    before, _, rest = path.read_text(encoding="utf-8").partition(begin)
    after = rest.partition(end)[2]
    path.write_text(f"{before}{begin}\n\n{made}\n{end}{after}", encoding="utf-8")


def pictures_table(library: str, rows: list[dict]) -> str:
    """stable-diffusion.cpp's results (sdcpp.py)."""
    lines = [[*list(row.values())[:5], "yes" if row["passes"] else "**no**"] for row in rows]
    heads = "file|tensors applied|the LoRA changes|it differs from merged by|share|passes"
    return f"{library}; mean differences in grey levels of 255.\n\n{_table(heads.split('|'), lines)}\n"


def tables(rows: list[dict]) -> str:
    plain = [r for r in rows if not r["broken"] and "DoRA" not in r["what"]]
    kohya = [r for r in plain if r["container"] == "kohya"]
    parts = [
        _commits(rows),
        "### Our files in the kohya container",
        _summary(kohya),
        "### Our files in the diffusers container",
        _matrix([r for r in plain if r["container"] == "diffusers"]),
        "### Our DoRA files",
        _matrix([r for r in rows if "DoRA" in r["what"] and not r["broken"]]),
        "### Files with a mistake",
        _matrix([r for r in rows if r["broken"]]),
    ]
    return "\n\n".join(parts) + "\n"


def _commits(rows: list[dict]) -> str:
    return _table(["tool", "version"], _unique((r["title"], r["commit"]) for r in rows))


def _summary(rows: list[dict]) -> str:
    """A line for every tool and family: all its files together."""
    lines = []
    for title, family in _unique((r["title"], r["family"]) for r in rows):
        own = [r for r in rows if (r["title"], r["family"]) == (title, family)]
        loaded = [r for r in own if "keys" in r]
        errors = [
            _number([r["error"] for r in loaded if r["dtype"] == dtype], sum(r["dtype"] == dtype for r in own))
            for dtype in ("fp32", "fp16", "bf16")
        ]
        arithmetic = _number([r["error_of_file"] for r in loaded], len(own))
        keys = f"{sum(r['matched'] for r in loaded)} of {sum(r['keys'] for r in loaded)}"
        layers = f"{sum(r['exact'] for r in loaded)} of {sum(r['layers'] for r in loaded)}"
        says = ", ".join(_unique(r["says"] for r in loaded if r["says"]))
        lines.append([title, FAMILY[family], len(own), keys, layers, *errors, arithmetic, says])
    heads = "tool|family|files|keys matched|layers exact|error, fp32|fp16|bf16|of the file|it says"
    return _table(heads.split("|"), lines)


def _matrix(rows: list[dict]) -> str:
    """A line for every file, a column for every tool."""
    titles = _unique(r["title"] for r in rows)
    lines = []
    for name in _unique(r["file"] for r in rows):
        own = {r["title"]: r for r in rows if r["file"] == name}
        first = next(iter(own.values()))
        cells = [_cell(own[title]) if title in own else "" for title in titles]
        lines.append([f"{FAMILY[first['family']]}: {first['what']}", *cells])
    return _table(["file", *titles], lines)


def _cell(row: dict) -> str:
    if "keys" not in row:
        return row["verdict"].partition(":")[0]
    if row["verdict"] == "exact":
        return f"exact ({row['error']:.0e})"
    dropped, wrong = row["keys"] - row["matched"], row["layers"] - row["exact"]
    if row["says"] == "refuses the file":
        return "refuses it"
    said = [f"drops {dropped} of {row['keys']} keys"] if dropped else []
    if wrong and row["error"] is not None:
        said.append(f"{wrong} of {row['layers']} layers off by {row['error']:.0e}")
    return ", ".join(said) or row["verdict"]


def _number(errors: list, wanted: int) -> str:
    if not wanted:
        return "–"
    if len(errors) < wanted or None in errors:
        return "**not loaded**"
    return f"{max(errors):.1e}"


def _unique(items: Iterable) -> list:
    return list(dict.fromkeys(items))


def _table(heads: list[str], lines: Iterable[Iterable]) -> str:
    rows = [heads, ["---"] * len(heads), *lines]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows)
