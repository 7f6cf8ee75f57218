"""The Images tab's HTML; like all of the page's, through ``render.escape``."""

import difflib
import json
from pathlib import Path

import gradio as gr

from sdlora.data import tokens
from ui import text, translate
from ui.shell import render
from ui.shell.place import Place
from ui.shell.render import escape, note
from ui.tabs.images import sight
from ui.tabs.images.album import Album, ImageEntry
from ui.tabs.images.sight import Training
from ui.tabs.images.uploads import Added

PREVIEW = 768  # pixels
EXAMPLES = 6  # captions before and after, in a preview
REFUSED = 8  # sentences about files that were not taken


def summary(album: Album, counts: dict[str, int], training: Training) -> str:
    """How many images there are and what is worth a look, in one line; with a bar while files are being opened."""
    if not counts["all"]:
        return note(text.NO_IMAGES)
    parts = [f"<b>{escape(text.count('IMAGES', counts['all']))}</b>"]
    parts.append(escape(text.WITH_CAPTION.format(count=text.number(counts["all"] - counts["bare"] - counts["named"]))))
    resolution = text.number(training.resolution)
    for kind, sentence in text.PROBLEM_COUNTS.items():
        if counts[kind]:
            words = sentence.format(
                count=text.number(counts[kind]), resolution=resolution, limit=training.limits.tokens
            )
            parts.append(f'<span class="worth">{escape(words)}</span>')
    line = f'<p class="summary">{"<i>·</i>".join(parts)}</p>'
    if album.wait(0):
        return line
    done = text.LOOKING.format(done=text.number(album.looked), of=text.number(counts["all"]))
    bar = f'<div class="bar"><i style="width:{100 * album.looked / counts["all"]:.1f}%"></i></div>'
    return f'{line}<p class="note" role="status">{escape(done)}</p>{bar}'


def image(place: Place, entry: ImageEntry, training: Training, sees: bool) -> str:
    """One image large with its name and size; with ``sees`` as the model is shown it."""
    crop = training.placement(entry) if sees else None
    drawn = place.picture(entry.path, PREVIEW, crop)
    if drawn is None:
        why = translate.message(entry.broken) or text.unreadable([entry.name])
        return f'<div class="picked missing">{note(why)}</div>'
    size = f" · {entry.size[0]:,} × {entry.size[1]:,}" if entry.size != (0, 0) else ""
    figure = (
        f'<figure class="picked"><img src="{escape(place.url(drawn))}" alt="{escape(entry.caption or entry.name)}">'
        f"<figcaption>{escape(entry.name)}{size}</figcaption></figure>"
    )
    limits = training.limits
    remarks = [
        text.PROBLEM_SENTENCES[kind].format(
            tokens=entry.length(limits), limit=limits.tokens, resolution=limits.resolution
        )
        for kind in [*entry.problems(limits), *(["named"] if entry.named else [])]
        if kind != "unreadable"
    ]
    return (
        figure + "".join(f'<p class="remark">{escape(words)}</p>' for words in remarks) + _sees(entry, training, sees)
    )


def _sees(entry: ImageEntry, training: Training, sees: bool) -> str:
    if not sees:
        return ""
    crop, caption = training.placement(entry), training.caption(entry)
    if crop is None:
        return f'<div class="sees"><p>{escape(text.SEES_NOT)}</p></div>'
    width, height = crop.bucket
    cut = sight.cut_off(crop)
    facts = text.SEES_SIZE.format(width=width, height=height)
    facts += " " + (text.SEES_CUT.format(percent=cut) if cut else text.SEES_WHOLE)
    count = entry.length(training.limits)
    said = f"<q>{escape(caption)}</q>" if caption else escape(text.SEES_NO_CAPTION)
    fits = tokens.is_read_whole(entry.words(training.limits), training.tokens, training.weighted)
    long = text.SEES_TOKENS if fits else text.SEES_LONG
    return (
        f'<div class="sees"><p>{escape(facts)}</p><p class="words">{said}</p>'
        f"<p>{escape(long.format(tokens=count, limit=training.tokens))}</p></div>"
    )


def conflict(name: str, mine: str, theirs: str) -> str:
    """Two texts for one caption: what was typed here, and what stands there now."""
    rows = [(text.TYPED_HERE, mine), (text.STANDS_THERE, theirs)]
    body = "".join(f"<dt>{escape(title)}</dt><dd>{escape(words) or '–'}</dd>" for title, words in rows)
    said = escape(text.CHANGED_MEANWHILE.format(name=name))
    return f'<div class="conflict" role="alert"><p>{said}</p><dl>{body}</dl></div>'


def preview(found: dict[Path, tuple[str, str]], shown: int) -> str:
    """What a bulk edit would do: how many captions, and the first few with what goes and what comes marked."""
    if not found:
        return note(text.CHANGES_NOTHING)
    head = text.CHANGES_COUNT.format(count=text.number(len(found)), of=text.number(shown))
    rows = "".join(
        f"<li><small>{escape(image.name)}</small>{marked_change(*pair)}</li>"
        for image, pair in list(found.items())[:EXAMPLES]
    )
    more = len(found) - EXAMPLES
    rest = f'<p class="note">{escape(text.more_problems(more))}</p>' if more > 0 else ""
    return f'<p class="note">{escape(head)}</p><ul class="changes">{rows}</ul>{rest}'


def marked_change(before: str, after: str) -> str:
    """Two captions as one, with what goes and what comes marked."""
    old, new, pieces = before[:400].split(" "), after[:400].split(" "), []
    for what, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        gone, come = escape(" ".join(old[a:b])), escape(" ".join(new[c:d]))
        if what == "equal":
            pieces.append(gone)
        else:
            pieces += [f"<del>{gone}</del>"] * bool(gone) + [f"<ins>{come}</ins>"] * bool(come)
    return f"<span>{' '.join(pieces) or '–'}</span>"


def added(result: Added, folder: Path) -> str:
    """What became of files that were dropped: how many, into which folder, and each that was refused."""
    said = []
    if result.images:
        said.append(text.count("ADDED", len(result.images)))
    if result.captions:
        said.append(text.count("CAPTIONS_ADDED", len(result.captions)))
    if result.same:
        said.append(text.count("SAME", result.same))
    if result.renamed:
        pairs = text.names_listed([f"{old} → {new}" for old, new in result.renamed], 3)
        said.append(text.RENAMED.format(names=pairs))
    said.append(text.ADDED_WHERE.format(folder=folder) if result.images else "")
    rows = [*map(translate.problem, result.guessed), *result.refused[:REFUSED]]
    if len(result.refused) > REFUSED:
        rows = [*rows, text.more_problems(len(result.refused) - REFUSED)]
    items = "".join(f'<li class="warning">{escape(words)}</li>' for words in rows)
    line = f'<p class="note" role="status">{escape(" ".join(filter(None, said)))}</p>' if any(said) else ""
    return line + (f'<ul class="checks">{items}</ul>' if items else "")


def told(html: str, message: gr.HTML) -> str:
    """A message that can be closed (``wiring`` makes the button that empties it); "" stays empty."""
    return render.closable(html, f"clear-{message.elem_id}") if html else ""


def thumbnail_names(shown: list[str], first: int, count: int) -> str:
    """What screen readers call the thumbnails of a page, for ``keys.js``: name and place. first: the first one's."""
    said = [
        text.THUMBNAIL.format(name=name, at=text.number(at), count=text.number(count))
        for at, name in enumerate(shown, first)
    ]
    return f'<i hidden data-names="{escape(json.dumps(said))}"></i>'


def recent() -> str:
    """The list of folders opened before, empty and hidden: ``script.js`` fills it from what this browser keeps."""
    return (
        f'<details id="recent" hidden><summary>{text.RECENT}</summary>'
        '<div class="recent"><ul></ul><button type="button" class="forget"></button></div></details>'
    )
