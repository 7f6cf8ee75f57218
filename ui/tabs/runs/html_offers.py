"""Which checkpoint to take: the run's offers, each in a sentence with its file."""

from pathlib import Path

from sdlora.runs.offers import Offers, offers_of
from sdlora.runs.run import Run
from ui import text, translate
from ui.shell.place import Place
from ui.shell.render import escape
from ui.shell.view import RunView


def found(view: RunView) -> Offers | None:
    """The offers of a run that has left a file; None of another one."""
    if not (view.finished and view.finished.file):
        return None
    return offers_of(Run(view.folder), view.settings)


def card(view: RunView, place: Place, run: str) -> str:
    """A sentence for each offer, with a link to its file where it is there; "" where there is none. run: its folder."""
    offers = view.remember(found)
    sentences = offers.sentences() if offers else []
    if not offers or not sentences:
        return ""
    files = {step: path for step, path, _ in reversed(view.lora_files())}  # the final one wins
    files = {step: files[step] for step in offers.steps if step in files}
    rows = ""
    for step, words in zip(offers.steps, sentences, strict=False):
        link = _link(files.get(step), place, run)
        rows += f'<li><span class="what">{escape(translate.message(words))}</span>{link}</li>'
    rest = "".join(
        f'<p class="said note">{escape(translate.message(words))}</p>' for words in sentences[len(offers.steps) :]
    )
    return f'<section class="card"><h3>{text.OFFERS}</h3><ul class="files offers">{rows}</ul>{rest}</section>'


def _link(file: Path | None, place: Place, run: str) -> str:
    link = place.download(file, run) if file else None
    if link is None:
        return ""
    name = escape(link.name)
    return (
        f'<a href="{escape(place.url(link))}" download="{name}" aria-label="{text.DOWNLOAD} {name}">{text.DOWNLOAD}</a>'
    )
