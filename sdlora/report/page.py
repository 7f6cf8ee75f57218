"""The report as HTML: one file that needs no other, and runs nothing. Every text of the run is escaped."""

import base64
import io
from collections.abc import Iterable
from html import escape
from pathlib import Path

from PIL import Image

from sdlora.messages import say
from sdlora.report.advice import advice
from sdlora.report.chart import bars, curves
from sdlora.report.facts import Points, RunFacts
from sdlora.settings import all_settings, value_of

SIDE = 256  # pixels of a picture in the grid, at most
RULES = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
Series = dict[str, tuple[str, Points]]  # as ``chart.curves`` takes them
STYLE = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")


def page(facts: RunFacts) -> str:
    """The whole file."""
    parts = [part(facts) for part in (_head, _offers, _advice, _curves, _pictures, _rank, _settings)]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy"'
        f' content="{escape(RULES)}"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(facts.name)}</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def _section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>" if body else ""


def _paragraphs(sentences: Iterable[str]) -> str:
    return "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)


def _head(facts: RunFacts) -> str:
    rows = [(say("report.state"), facts.state)]
    if facts.started:
        rows += [
            (say("report.base"), facts.started.base or "–"),
            (say("report.images"), str(facts.started.images)),
            (say("report.parameters"), f"{facts.started.trainable / 1e6:.2f} M"),
            (say("report.precision"), facts.started.arithmetic or facts.started.device),
        ]
    if facts.losses:
        rows.append((say("report.steps"), str(facts.losses[-1][0])))
    if facts.origin:
        rows.append((say("report.origin"), facts.origin))
    cells = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in rows)
    ended = [facts.finished.text] if facts.finished and facts.finished.text else []
    return f"<h1>{escape(facts.name)}</h1><dl>{cells}</dl>{_paragraphs([*ended, *facts.problems])}"


def _offers(facts: RunFacts) -> str:
    return _section(say("report.offers"), _paragraphs(facts.offers.sentences() if facts.offers else ()))


def _advice(facts: RunFacts) -> str:
    notes = "".join(f"<li>{escape(note)}</li>" for note in dict.fromkeys(facts.notes))
    return _section(say("report.advice"), _paragraphs([*facts.heart, *advice(facts)])) + (
        _section(say("report.notes"), f"<ul>{notes}</ul>") if notes else ""
    )


def _curves(facts: RunFacts) -> str:
    marks = facts.offers.steps if facts.offers else ()
    losses: Series = {
        say("report.loss"): ("loss", facts.losses),
        say("report.trained"): ("trained", facts.training),
        say("report.validation"): ("validation", facts.validation),
    }
    drifts: Series = {say("report.drift"): ("drift", facts.drift)}
    drawn = ""
    for series in (losses, drifts):
        if chart := curves(series, marks):
            named = [(name, kind) for name, (kind, points) in series.items() if points]
            told = "".join(f'<li class="{kind}">{escape(name)}</li>' for name, kind in named)
            drawn += f'<figure>{chart}<ul class="legend">{told}</ul></figure>'
    return _section(say("report.curves"), drawn)


def _pictures(facts: RunFacts) -> str:
    prompts = facts.settings.sample.prompts if facts.settings else []
    steps, rows = list(facts.pictures), ""
    for row in range(max((len(files) for files in facts.pictures.values()), default=0)):
        prompt = prompts[row] if row < len(prompts) else ""
        cells = "".join(_cell(facts.pictures[step], row, f"{step}: {prompt}") for step in steps)
        rows += f'<tr><th colspan="{len(steps)}">{escape(prompt)}</th></tr><tr>{cells}</tr>'
    titles = [say("report.at_step", step=step) for step in steps]
    head = "".join(f"<th>{escape(title)}</th>" for title in titles)
    table = f'<div class="wide"><table class="grid"><tr>{head}</tr>{rows}</table></div>' if rows else ""
    return _section(say("report.pictures"), table)


def _cell(files: list[Path], row: int, title: str) -> str:
    source = data_uri(files[row]) if row < len(files) else ""
    return f'<td><img src="{source}" alt="{escape(title)}"></td>' if source else "<td></td>"


def data_uri(path: Path) -> str:
    """A picture as a WebP inside the page; "" for a file that is none."""
    try:
        with Image.open(path) as picture:
            small = picture.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError):
        return ""
    small.thumbnail((SIDE, SIDE))
    data = io.BytesIO()
    small.save(data, "WEBP", quality=85)
    return f"data:image/webp;base64,{base64.b64encode(data.getvalue()).decode('ascii')}"


def _rank(facts: RunFacts) -> str:
    drawn = ""
    for root, part in facts.parts.items():
        upto = round(part["rank_90"])
        told = say("report.bars", layers=part["layers"], held=upto, effective=f"{part['effective_rank']:.1f}")
        below = f"<figcaption>{escape(told)}</figcaption>"
        drawn += f"<figure><h3>{escape(root)}</h3>{bars(part['spectrum'], upto)}{below}</figure>"
    return _section(say("report.rank"), drawn)


def _settings(facts: RunFacts) -> str:
    """What differs from the defaults as a table; all of it, as a settings file, folded up."""
    if facts.settings is None:
        return ""
    rows = ""
    for info in all_settings():
        value = value_of(facts.settings, info.key)
        if value != info.default:
            shown = "; ".join(map(str, value)) if isinstance(value, list) else str(value)
            rows += f"<tr><th>{escape(info.key)}</th><td>{escape(shown)}</td></tr>"
    all_of_them = say("report.all_settings")
    whole = f"<details><summary>{escape(all_of_them)}</summary><pre>{escape(facts.toml)}</pre></details>"
    return _section(say("report.settings"), f'<div class="wide"><table>{rows}</table></div>{whole}')
