"""The page's HTML. Whatever a person, a file or a run can have put into a text goes through ``html.escape``."""

import html
from pathlib import Path

from sdlora.errors import Problem
from ui import text
from ui.place import Place
from ui.view import RunView

THUMB, LARGE = 256, 1024  # pixels
SHOWN_PROBLEMS = 12


def escape(words: str) -> str:
    """Text for HTML; the mark of a sentence of our own stays one, for the browser to put the sentence in."""
    return words if text.MARK.fullmatch(words) else html.escape(words)


def header() -> str:
    return f"<h1>{text.TITLE}</h1>"


def strip(view: RunView | None, state: str) -> str:
    """One line that says what is going on, for every tab."""
    if view is None:
        return _strip("", text.NOTHING_RUNNING)
    parts = [f"{view.name}: {text.STATES[state]}"]
    if view.progress:
        parts.append(
            f"{text.WORK.get(view.progress.what, view.progress.what)} {view.progress.done} / {view.progress.of}"
        )
    elif view.steps:
        parts.append(text.STEP_OF.format(step=text.number(view.step), steps=text.number(view.steps)))
        if state == "running" and view.seconds_left:
            parts.append(text.time_left(view.seconds_left))
    return _strip("live", " · ".join(parts))


def _strip(kind: str, sentence: str) -> str:
    return f'<div class="strip {kind}" role="status" aria-live="polite">{escape(sentence)}</div>'


def run_card(view: RunView, state: str) -> str:
    """Name, state, how far, how fast, and what went wrong."""
    live = state in ("starting", "running", "pausing", "paused", "stopping")
    kind = "live" if live else "bad" if state in ("failed", "interrupted", "new") else ""
    share = 100 * view.step / view.steps if view.steps else 0
    return (
        '<section class="card">'
        f'<div class="run-head"><h2>{escape(view.name)}</h2>'
        f'<span class="pill {kind}">{escape(text.STATES[state])}</span></div>'
        f'<div class="bar" role="progressbar" aria-valuemin="0" aria-valuemax="100" aria-valuenow="{share:.0f}"'
        f' aria-label="{text.PROGRESS}"><i style="width:{share:.2f}%"></i></div>'
        f'<div class="facts">{_facts(view, state)}</div>{_said(view, state, live)}</section>'
    )


def _facts(view: RunView, state: str) -> str:
    facts = []
    if view.progress and state == "running":
        what = text.WORK.get(view.progress.what, view.progress.what)
        facts.append((what, f"{text.number(view.progress.done)} / {text.number(view.progress.of)}"))
    if view.steps:
        facts.append((text.FACT_STEP, f"{text.number(view.step)} / {text.number(view.steps)}"))
    if view.seconds_per_step:
        facts.append(("", text.pace(view.seconds_per_step)))
        if state == "running" and view.step < view.steps:
            facts.append(("", text.time_left(view.seconds_left)))
    if view.loss == view.loss:
        facts.append((text.FACT_LOSS, f"{view.loss:.4f}"))
    if view.memory:
        facts.append((text.FACT_MEMORY, text.size(view.memory)))
    if view.images:
        facts.append((text.FACT_IMAGES, text.number(view.images)))
    return "".join(f"<span>{escape(name)} <b>{escape(value)}</b></span>" for name, value in facts)


def _said(view: RunView, state: str, live: bool) -> str:
    """The sentence under the facts: where to look, or what went wrong and the log's last lines."""
    said = [f'<p class="said note">{escape(w)}</p>' for w in view.warnings[-3:]]
    step = text.number(view.step)
    if state == "starting":
        said.append(_sentence(text.STARTING))
    if live:
        said.append(_sentence(text.CLOSE_ANYTIME))
    elif state == "done":
        said.append(_sentence(text.FINISHED_IN.format(time=text.duration(view.last_time - view.started_at))))
    elif state == "stopped":
        said.append(_sentence(text.STOPPED_AT.format(step=step)))
    else:
        sentence = {
            "failed": text.FAILED_AT.format(step=step, text=view.finished.text if view.finished else ""),
            "interrupted": text.INTERRUPTED_AT.format(name=view.name, step=step),
        }.get(state, text.NEVER_STARTED)
        said.append(f'<p class="said bad" role="alert">{escape(sentence)}</p>')
        tail = view.log_tail(12)
        if tail:
            said.append(f'<p class="said note">{text.LAST_LINES}</p><pre>{escape(tail)}</pre>')
    return "".join(said)


def _sentence(words: str) -> str:
    return f'<p class="said note">{escape(words)}</p>'


def samples(view: RunView, place: Place) -> str:
    """Test pictures: a row for each prompt, a column for each step; a click shows one large, beside "before"."""
    steps, rows = view.sample_grid()
    if not rows:
        words = text.NO_SAMPLES if view.settings.sample.prompts else text.NO_PROMPTS
        return f'<section class="card"><h3>{text.SAMPLES}</h3><p class="note">{words}</p></section>'
    head = "".join(f"<th>{escape(text.step_title(s))}</th>" for s in steps)
    body = ""
    for r, (prompt, files) in enumerate(rows):
        cells = "".join(
            _cell(place, prompt, steps, files, r, c) if files[c] else "<td></td>" for c in range(len(steps))
        )
        body += (
            f'<tr><th class="prompt" colspan="{len(steps) + 1}"><span>{escape(prompt)}</span></th></tr><tr>{cells}</tr>'
        )
    return (
        f'<section class="card"><h3>{text.SAMPLES}</h3><div class="samples"><table>'
        f'<thead><tr>{head}<th class="rest"></th></tr></thead><tbody>{body}</tbody></table></div></section>'
    )


def _cell(place: Place, prompt: str, steps: list[int], files: list[Path | None], row: int, column: int) -> str:
    step, file = steps[column], files[column]
    small = place.picture(file, THUMB)
    if small is None:
        return "<td></td>"
    name, alt = f"picture-{step}-{row}", escape(text.alt_text(prompt, step))
    pair = [(steps[0], files[0])] if column and files[0] else []
    figures = ""
    for at, path in pair + [(step, file)]:
        large = place.picture(path, LARGE)
        if large:
            figures += (
                f'<figure><img src="{escape(place.url(large))}" loading="lazy"'
                f' alt="{escape(text.alt_text(prompt, at))}">'
                f"<figcaption>{escape(text.step_title(at))}</figcaption></figure>"
            )
    return (
        f'<td><button type="button" popovertarget="{name}"><img src="{escape(place.url(small))}" alt="{alt}"></button>'
        f'<div class="large" id="{name}" popover><p>{escape(prompt)}</p><div class="pair">{figures}</div></div></td>'
    )


def files(loras: list[tuple[int, Path, bool]], run: str, place: Place) -> str:
    """Every LoRA file of the run with a download link, as ``RunView.lora_files`` lists them."""
    rows = ""
    for step, path, final in loras:
        link = place.download(path, run)
        if link:
            name = link.name
            kind = text.FINAL_FILE if final else text.CHECKPOINT_FILE
            rows += (
                f'<li><span class="what">{escape(name)}<small>{kind} · {text.step_title(step)} · '
                f"{text.size(path.stat().st_size)}</small></span>"
                f'<a href="{escape(place.url(link))}" download="{escape(name)}"'
                f' aria-label="{text.DOWNLOAD} {escape(name)}">{text.DOWNLOAD}</a></li>'
            )
    body = f'<ul class="files">{rows}</ul>' if rows else f'<p class="note">{text.NO_FILES}</p>'
    return f'<section class="card"><h3>{text.FILES}</h3>{body}</section>'


def checks(problems: list[Problem]) -> str:
    """What stands in the way of a start, and what only deserves a look; all at once."""
    rows = [("", text.ALL_GOOD)] if not problems else []
    ordered = sorted(problems, key=lambda p: not p.fatal)
    for problem in ordered[:SHOWN_PROBLEMS]:
        rows.append(
            ("fatal", f"{text.FATAL}: {problem}") if problem.fatal else ("warning", f"{text.WARNING}: {problem}")
        )
    if len(ordered) > SHOWN_PROBLEMS:
        rows.append(("warning", text.more_problems(len(ordered) - SHOWN_PROBLEMS)))
    items = "".join(f'<li class="{kind}">{escape(words)}</li>' for kind, words in rows)
    return f'<section class="card"><h3>{text.CHECKS}</h3><ul class="checks">{items}</ul></section>'


def note(words: str) -> str:
    return f'<p class="note">{escape(words)}</p>'


def notes(problems: list[Problem]) -> str:
    """Notes on a folder, a few at a time."""
    if not problems:
        return ""
    rows = [str(p) for p in problems[:SHOWN_PROBLEMS]]
    if len(problems) > SHOWN_PROBLEMS:
        rows.append(text.more_problems(len(problems) - SHOWN_PROBLEMS))
    return '<ul class="checks">' + "".join(f'<li class="warning">{escape(row)}</li>' for row in rows) + "</ul>"


def unchecked() -> str:
    return f'<section class="card"><h3>{text.CHECKS}</h3><p class="note">{text.CHECKED_AT_START}</p></section>'


def strength(value: float | str) -> str:
    """What the LoRA acts with; ``value`` may be the name of a value that the browser puts in."""
    shown = value if isinstance(value, str) else text.compact(value)
    return f'<p class="strength">{text.STRENGTH}<b>{shown}</b></p>'


def no_runs() -> str:
    return f'<section class="card"><p class="note">{text.NO_RUNS}</p></section>'


def plain(words: str) -> str:
    """For toasts, which read HTML."""
    return escape(words)
