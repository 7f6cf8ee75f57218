"""The HTML of the list of base models on this computer. ``script.js`` filters it, and puts one into the field."""

from pathlib import Path

from sdlora.models.found import FoundBase, FoundBases, embedded
from ui import text, translate
from ui.shell.render import escape, note


def looking() -> str:
    """While it is looked for."""
    return note(text.BASES_LOOKING)


def bases(found: FoundBases, may_add: bool) -> str:
    """The embedded model and all that were found, with what they are; what else is to be said of the look."""
    rows = _row("tiny", text.BASE_EMBEDDED, translate.message(embedded().described), "")
    rows += "".join(_found(one) for one in found.bases)
    said = [text.BASES_NONE.format(count=text.number(len(found.folders)))] if not found.bases else []
    said += [text.count("BASES_PICKLED", found.pickled)] if found.pickled else []
    said += [text.BASES_CUT] if found.cut else []
    return (
        f'<div class="bases card{"" if may_add else " held"}" role="group" aria-label="{text.BASES_TITLE}">'
        f'<div class="bases-head"><input type="search" data-bases-search placeholder="{text.BASES_SEARCH}"'
        f' aria-label="{text.BASES_SEARCH}"><button type="button" data-bases-close>{text.CLOSE}</button></div>'
        f"<ul>{rows}</ul>{''.join(map(note, said))}</div>"
    )


def _found(one: FoundBase) -> str:
    path = Path(one.base)
    where = f"{one.program} · {path.parent}" if path.is_absolute() else one.program
    name = path.stem if one.info.single_file else path.name if path.is_absolute() else one.base
    return _row(one.base, name, f"{translate.message(one.info.described)} · {text.size(one.size)}", where)


def _row(base: str, name: str, told: str, where: str) -> str:
    small = f"<small>{escape(where)}</small>" if where else ""
    return (
        f'<li><button type="button" data-base="{escape(base)}" title="{escape(base)}"><b>{escape(name)}</b>'
        f"<span>{escape(told)}</span>{small}</button></li>"
    )
