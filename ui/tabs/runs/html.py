"""The HTML of the Runs and Compare tabs; like all of the page's, through ``render.escape``."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sdlora.events import Progress
from sdlora.files.paths import last_part
from sdlora.settings import all_settings, value_of
from ui import text, translate
from ui.shell.drawings import Drawing
from ui.shell.place import Place
from ui.shell.render import LARGE, THUMB, escape, note
from ui.shell.view import RunView, strip_time
from ui.tabs.runs import html_keeping as keeping

LIVE = ("starting", "loading", "running", "pausing", "paused", "stopping")
RECIPE = (  # said of each run
    "data.folder", "data.trigger", "model.base", "adapter.kind", "adapter.rank", "adapter.alpha", "train.steps",
    "train.batch_size", "train.optimizer", "train.lr", "train.text_encoder_lr", "train.seed",
)  # fmt: skip
PROMPTS = 4  # test prompts that a card names
BAD = ("failed", "interrupted", "new")
ENDED = ("done", "stopped")  # with a LoRA of the whole run
DRAWING_TIME = 0.4  # seconds that one answer spends on thumbnails that were not there yet


# ---- on every tab


def status_strip(view: RunView | None, state: str, drawn: tuple[int, int] | None = None) -> str:
    """One line that says what is going on, for every tab."""
    if view is None:
        words = text.DRAWING_NOW.format(done=drawn[0], of=drawn[1]) if drawn else text.NOTHING_RUNNING
        return _strip("live" if drawn else "", words)
    parts = [f"{view.name}: {text.STATES[state]}"]
    if view.progress:
        what, count = _work(view.progress)
        parts.append(f"{what} {count}".strip())
    elif view.steps and state != "loading":
        parts.append(text.STEP_OF.format(step=text.number(view.step), steps=text.number(view.steps)))
        if state == "running" and view.seconds_left:
            parts.append(text.time_left(view.seconds_left))
    return _strip("live", " · ".join(parts))


def _strip(kind: str, sentence: str) -> str:
    return f'<div class="strip {kind}">{escape(sentence)}</div>'


def announcement(view: RunView | None, state: str) -> str:
    """What a screen reader says by itself (its place is a live region, ``ui/shell/script.js``): only when a state changes."""
    words = f"{view.name}: {text.STATES[state]}" if view else text.NOTHING_RUNNING
    return f'<div class="unseen">{escape(words)}</div>'


# ---- a run


def run_card(view: RunView, state: str, place: int | None = None, before: str = "", file: str = "") -> str:
    """Name, state, how far, how fast, and what went wrong.

    place: in the queue. before: the run that is waited for. file: the HTML of the link to its LoRA, once there is one.
    """
    kind = "live" if state in LIVE else "bad" if state in BAD else ""
    share = 100 * view.step / view.steps if view.steps else 0
    bar = (
        f'<div class="bar" role="progressbar" aria-valuemin="0" aria-valuemax="100" aria-valuenow="{share:.0f}"'
        f' aria-label="{text.PROGRESS}"><i style="width:{share:.2f}%"></i></div>'
        f'<div class="facts">{_facts(view, state)}</div>'
    )
    return (
        f'<section class="card"><div class="run-head"><h2>{escape(view.name)}</h2>{keeping.stars(view.remarks.rating)}'
        f'<span class="pill {kind}">{escape(text.STATES[state])}</span></div>'
        f"{'' if state == 'waiting' else bar}{file if state in ENDED else ''}{_recipe(view)}{keeping.said(view)}"
        f"{_said(view, state, place, before)}</section>"
    )


def _recipe(view: RunView) -> str:
    """What the run is of: its images, base model and main numbers, the seed that was drawn among them."""
    settings = view.settings
    if not settings.data.folder:
        return ""  # its settings can't be read
    facts, infos = [], {info.key: info for info in all_settings()}
    for key in RECIPE:
        info, value = infos[key], value_of(settings, key)
        if value is None or value == "" or (key == "train.text_encoder_lr" and not settings.adapter.text_encoder):
            continue
        shown = last_part(value) if info.path else f"{value:g}" if isinstance(value, float) else str(value)
        facts.append((text.LABELS.get(key, info.label), shown, str(value) if info.path else ""))
    prompts = [prompt[:120] for prompt in settings.sample.prompts]
    facts += [(text.RECIPE_PROMPTS, text.names_listed(prompts, PROMPTS), "")] if prompts else []
    spans = "".join(_fact(name, value, f' title="{escape(full)}"' if full else "") for name, value, full in facts)
    return f'<div class="facts recipe">{spans}</div>'


def _fact(name: str, value: str, attributes: str = "") -> str:
    return f"<span{attributes}>{escape(name)} <b>{escape(value)}</b></span>"


def _pairs(facts: Sequence[tuple[str, str]]) -> str:
    return "".join(_fact(name, value) for name, value in facts)


def _facts(view: RunView, state: str) -> str:
    facts = []
    if view.progress and state in LIVE:
        facts.append(_work(view.progress))
    if view.steps:
        facts.append((text.FACT_STEP, f"{text.number(view.step)} / {text.number(view.steps)}"))
    if view.seconds_per_step:
        facts.append(("", text.pace(view.seconds_per_step)))
        if state == "running" and view.step < view.steps:
            facts.append(("", text.time_left(view.seconds_left)))
    if view.loss == view.loss:
        facts.append((text.FACT_LOSS, f"{view.loss:.4f}"))
    if view.check == view.check:
        facts.append((text.FACT_VALIDATION, f"{view.check:.4f}"))
    if view.memory:
        facts.append((text.FACT_MEMORY, text.size(view.memory)))
    if view.images:
        facts.append((text.FACT_IMAGES, text.number(view.images)))
    return _pairs(facts)


def _work(progress: Progress) -> tuple[str, str]:
    """(what is being done, how far that is; "" for what has no parts)."""
    what = text.WORK.get(progress.what, progress.what)
    if progress.of <= 1:
        return f"{what}…", ""
    return what, f"{text.number(progress.done)} / {text.number(progress.of)}"


def _said(view: RunView, state: str, place: int | None, before: str) -> str:
    """The sentences under the facts: where to look, what comes next, or what went wrong."""
    said = [f'<p class="said note">{escape(translate.message(words))}</p>' for words in view.warnings[-3:]]
    if view.origin:
        words = text.STARTED_FROM.format(name=strip_time(view.origin.run), step=text.number(view.origin.step))
        said.insert(0, _sentence(words))
    if state == "waiting":
        if place == 1:
            words = text.WAITS_NEXT.format(name=before) if before else text.WAITS_ALONE
        else:
            words = text.WAITS_AT.format(place=place)
        said.append(_sentence(words))
    if state == "starting":
        said.append(_sentence(text.STARTING))
    if state == "stopping":
        words = text.STOPPING_NOW if view.stop_taken else text.STOPPING_STEP if view.begun else text.STOPPING_FIRST
        said.append(_sentence(words))
    if state in LIVE:
        said.append(_sentence(text.CLOSE_ANYTIME))
    if state == "done":
        said.append(_sentence(text.FINISHED_IN.format(time=text.duration(view.last_time - view.started_at))))
        if view.finished and view.finished.text:  # what ended it early
            said.append(_sentence(translate.message(view.finished.text)))
    if state == "stopped":
        said.append(_sentence(text.STOPPED_AT.format(step=text.number(view.step))))
    return "".join(said) + (_failure(view, state) if state in BAD else "")


def _sentence(words: str) -> str:
    return f'<p class="said note">{escape(words)}</p>'


def _failure(view: RunView, state: str) -> str:
    """What happened, why, what to do; the log's last lines are closed up for the failures that say why themselves."""
    step, kept = text.number(view.step), view.checkpoints()
    last = text.number(kept[-1]) if kept else ""
    change = text.TRY_CHANGE.format(step=last) if kept else text.TRY_CHANGE_START
    resume = text.TRY_RESUME.format(step=last) if kept else text.TRY_RESUME_START
    happened = {
        "failed": text.FAILED_AT.format(step=step, text="").strip(),
        "interrupted": text.INTERRUPTED_AT.format(name=view.name, step=step),
        "new": text.NEVER_STARTED,
    }[state]
    why = {"failed": translate.message(view.finished.text) if view.finished else "", "interrupted": text.WHY_KILLED}
    advice = {"failed": change, "interrupted": f"{resume} {text.TRY_LESS_MEMORY}", "new": text.TRY_LOG}[state]
    rows = [
        (text.WHAT_HAPPENED, happened),
        (text.WHY, why.get(state) or text.WHY_NEVER),
        (text.TRY_THIS, advice),
    ]
    body = "".join(f"<dt>{escape(name)}</dt><dd>{escape(words)}</dd>" for name, words in rows)
    tail = view.log_tail(40)
    details = (
        f"<details{'' if state == 'failed' else ' open'}><summary>{text.DETAILS}</summary>"
        f'<button type="button" class="copy" data-copy data-done="{text.COPIED}">{text.COPY}</button>'
        f'<pre tabindex="0" aria-label="{text.LOG}">{escape(tail)}</pre></details>'
    )
    return f'<div class="failure" role="alert"><dl>{body}</dl></div>{details if tail else ""}'


def curve_help(checked: bool, trained: bool = False, drifts: bool = False, other: RunView | None = None) -> str:
    """Which line is which, and how to read them.

    checked: there is a validation loss; trained: of training images too. other: the run beside this one.
    """
    lines = [("check", text.SERIES_CHECK)] if checked else []
    lines += [("trained", text.SERIES_TRAINED)] if trained else []
    lines += [("drift", text.SERIES_DRIFT)] if drifts else []
    lines += [("smooth", text.SERIES_SMOOTH), ("raw", text.SERIES_RAW)]
    if other is not None:
        lines += [("other", text.SERIES_OF_OTHER.format(line=text.SERIES_SMOOTH, name=other.name))]
        if other.checks.points():
            lines += [("other-check", text.SERIES_OF_OTHER.format(line=text.SERIES_CHECK, name=other.name))]
    legend = "".join(f'<span class="{kind}">{escape(words)}</span>' for kind, words in lines)
    said = note(text.CURVE_HELP_CHECK if checked else text.CURVE_HELP)
    return f'<p class="legend">{legend}</p>{said}' + (note(text.CURVE_HELP_DRIFT) if drifts else "")


# ---- pictures


@dataclass(frozen=True)
class Shown:
    """One picture of a grid: its file, what stands above its column, and its text for screen readers."""

    file: Path | None
    title: str
    alt: str


def picture_table(place: Place, rows: Sequence[tuple[str, Sequence[Shown]]], until: float) -> tuple[str, bool]:
    """(a table with a row of pictures for each prompt, is all of it there?).

    A click shows one large (``ui/shell/script.js``). Thumbnails that are not there yet are drawn until that moment of
    ``time.monotonic``; the others' places stay empty for the while.
    """
    complete, body = True, ""
    for prompt, shown in rows:
        cells = ""
        for one in shown:
            if one.file is None:
                cells += "<td></td>"
            elif time.monotonic() > until:
                complete, cells = False, cells + '<td><span class="later"></span></td>'
            else:
                cells += _cell(place, prompt, one)
        body += f'<tr><th class="prompt" colspan="{len(shown) + 1}"><span>{escape(prompt)}</span></th></tr>'
        body += f'<tr class="pictures">{cells}</tr>'
    head = "".join(f'<th scope="col">{escape(one.title)}</th>' for one in (rows[0][1] if rows else ()))
    table = f'<table><thead><tr>{head}<td class="rest"></td></tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="samples" tabindex="0" role="group" aria-label="{text.SAMPLES}">{table}</div>', complete


def _cell(place: Place, prompt: str, shown: Shown) -> str:
    small, large = place.picture(shown.file, THUMB), place.picture(shown.file, LARGE)
    if small is None or large is None:
        return "<td></td>"
    return (
        f'<td><button type="button" class="cell" data-large="{escape(place.url(large))}"'
        f' data-title="{escape(shown.title)}" data-prompt="{escape(prompt)}">'
        f'<img src="{escape(place.url(small))}" alt="{escape(shown.alt)}"></button></td>'
    )


def samples(view: RunView, place: Place, columns: int = 8) -> tuple[str, bool]:
    """(test pictures: a row for each prompt, a column for each step, is all of it there?). columns: 0 for all steps."""
    steps, found = view.sample_grid(columns)
    if not found:
        words = text.NO_SAMPLES if view.settings.sample.prompts else text.NO_PROMPTS
        return f'<section class="card"><h3>{text.SAMPLES}</h3><p class="note">{words}</p></section>', True
    rows = [
        (prompt, [Shown(f, text.step_title(s), text.alt_text(prompt, s)) for s, f in zip(steps, files, strict=True)])
        for prompt, files in found
    ]
    table, complete = picture_table(place, rows, time.monotonic() + DRAWING_TIME)
    more = "" if complete else note(text.MORE_COMES)
    return f'<section class="card"><h3>{text.SAMPLES}</h3>{table}{more}</section>', complete


def drawing(drawn: Drawing, place: Place, before: str = "") -> str:
    """A drawing as a grid, a row for each prompt; how far it is; why it failed. before: the run that is waited for."""
    prompts, titles = drawn.prompts, drawn.titles()
    rows = [
        (prompt, [Shown(drawn.cells.get((v, p)), title, f"{title}, {prompt}") for v, title in enumerate(titles)])
        for p, prompt in enumerate(prompts)
    ]
    table, _ = picture_table(place, rows, time.monotonic() + 10 * DRAWING_TIME) if drawn.cells else ("", True)
    words = drawing_state(drawn, before)
    return table + (f'<p class="note" role="status">{escape(words)}</p>' if words else "")


def drawing_state(drawn: Drawing, before: str) -> str:
    """A line on how a drawing stands; "" once it is done."""
    if drawn.state == "done":
        return ""
    state = "next" if drawn.state == "waiting" and not before else drawn.state
    said = translate.message(drawn.last_words()) if state == "failed" else ""
    return text.DRAW_STATES[state].format(name=before, done=len(drawn.cells), of=drawn.of, text=said)


# ---- files


def files(loras: list[tuple[int, Path, bool]], run: str, place: Place, zipped: str = "") -> str:
    """Every LoRA file of the run with a download link, as ``RunView.lora_files`` lists them.

    zipped: the address of all of them as one zip, offered where there are several.
    """
    rows, count = "", 0
    for step, path, final in loras:
        link = place.download(path, run)
        if link:
            count += 1
            name = link.name
            kind = text.FINAL_FILE if final else text.CHECKPOINT_FILE
            rows += (
                f'<li><span class="what">{escape(name)}<small>{kind} · {text.step_title(step)} · '
                f"{text.size(path.stat().st_size)}</small></span>"
                f'<a href="{escape(place.url(link))}" download="{escape(name)}"'
                f' aria-label="{text.DOWNLOAD} {escape(name)}">{text.DOWNLOAD}</a></li>'
            )
    body = f'<ul class="files">{rows}</ul>' if rows else f'<p class="note">{text.NO_FILES}</p>'
    if zipped and count > 1:
        body += f'<p><a class="zip" href="{escape(zipped)}" download>{text.ALL_AS_ZIP}</a></p>'
    return f'<section class="card"><h3>{text.FILES}</h3>{body}</section>'


def file_of_run(view: RunView, place: Place) -> str:
    """The link to the LoRA of the whole run, for the top of its card; "" while there is none."""
    found = next((path for _, path, final in view.lora_files() if final), None)
    link = place.download(found, view.folder.name) if found else None
    if link is None or found is None:
        return ""
    return (
        f'<p class="take"><a href="{escape(place.url(link))}" download="{escape(link.name)}">{text.DOWNLOAD}'
        f" <b>{escape(link.name)}</b> <small>{text.size(found.stat().st_size)}</small></a></p>"
    )


def download_link(words: str, name: str, url: str) -> str:
    """A sentence with the link to the file that it is about."""
    return (
        f'<ul class="files"><li><span class="what">{escape(words)}</span><a href="{escape(url)}" '
        f'download="{escape(name)}" aria-label="{text.DOWNLOAD} {escape(name)}">{text.DOWNLOAD}</a></li></ul>'
    )


# ---- comparing


def settings_table(runs: list[RunView]) -> str:
    """A table of the settings in which the runs differ; those that only name the run are left out."""
    if len(runs) < 2:
        return ""
    told = [view.settings.model_dump(mode="python") for view in runs]
    keys = [(section, key) for section, values in told[0].items() for key in values if section != "run"]
    rows = ""
    for section, key in keys:
        values = [_value(one[section][key]) for one in told]
        if len(set(values)) > 1:
            cells = "".join(f"<td>{escape(value)}</td>" for value in values)
            rows += f'<tr><th scope="row"><code>{section}.{key}</code></th>{cells}</tr>'
    if not rows:
        return f'<section class="card"><h3>{text.DIFFERENCES}</h3>{note(text.NO_DIFFERENCES)}</section>'
    names = "".join(f'<th scope="col">{escape(view.name)}</th>' for view in runs)
    return (
        f'<section class="card"><h3>{text.DIFFERENCES}</h3><div class="wide" tabindex="0" role="group"'
        f' aria-label="{text.DIFFERENCES}"><table class="differences"><thead><tr><th scope="col">{text.SETTING}</th>'
        f"{names}</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _value(value: object) -> str:
    return "; ".join(str(v) for v in value) if isinstance(value, list) else str(value)
