"""The page's sentences in the visitor's language: ``text.NAME`` is the sentence NAME of ``ui.words``.

How the language is chosen: by a control on the page (``ui/shell/language.js``), which a cookie tells the server; else
the browser decides, as Gradio's I18n does. Handlers answer a request, and its
Accept-Language names the browser's language first; Gradio keeps the request of the running handler, so nothing has to
be passed along. Components are made once for all visitors: in ``with building():`` every name is a mark that Gradio
puts the sentence in for, in the browser (``i18n`` gives it all sentences). Anywhere else (a terminal) it is English.

What follows: in ``build`` use names as they are, without ``.format`` and one a string; no name at import time (module
constants, default arguments). A mark may stand in ``gr.HTML``, through ``ui.shell.render.escape`` too. Numbers, times
and sizes are written by the functions below. What ``sdlora`` says (what is wrong with a setting or a file) is English;
``ui.translate`` says it in the visitor's language.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from types import ModuleType
from typing import Any

import gradio as gr
from gradio.context import LocalContext

from sdlora.settings import SettingInfo, all_settings
from ui.words import en, zh

WORDS: dict[str, ModuleType] = {"en": en, "zh": zh}
# The browser's languages that Gradio knows by these names; any other is English, here as there.
LOCALES = {"en": "en", "zh-CN": "zh", "zh-TW": "zh"}
MARK = re.compile(r'__i18n__\{"__type__": "translation_metadata", "key": "[A-Za-z0-9_/-]+"\}')

COOKIE = re.compile(r"(?:^|;\s*)sdlora-language=([A-Za-z-]{2,5})(?:;|$)")  # set by ``ui/shell/language.js``

_building: ContextVar[bool] = ContextVar("building", default=False)


def __getattr__(name: str) -> Any:
    if not name.isupper() or not hasattr(en, name):
        raise AttributeError(f"no sentence is named {name}")
    return _say(name)


def _say(name: str) -> Any:
    if not _building.get():
        return getattr(WORDS[language()], name)
    english = getattr(en, name)
    return {key: mark(name, key) for key in english} if isinstance(english, dict) else mark(name)


def language() -> str:
    """ "en" or "zh": chosen on the page, else of the browser whose request is answered; "en" where there is none."""
    request = LocalContext.request.get(None)
    headers = getattr(request, "headers", None) or {}
    chosen = COOKIE.search(headers.get("cookie", ""))
    if chosen and chosen[1] in LOCALES:
        return LOCALES[chosen[1]]
    return of_header(headers.get("accept-language", ""))


def of_header(accepted: str) -> str:
    """The language for an Accept-Language header; its first entry is the browser's own language."""
    return LOCALES.get(accepted.split(",")[0].split(";")[0].strip(), "en")


@contextmanager
def building() -> Iterator[None]:
    """A context in which names are marks: for making components, which all visitors share."""
    token = _building.set(True)
    try:
        yield
    finally:
        _building.reset(token)


def mark(*path: str) -> str:
    """What Gradio's page puts the sentence in for; the same text as ``str(gr.I18nData(key))``."""
    return f"__i18n__{json.dumps({'__type__': 'translation_metadata', 'key': _key(*path)})}"


def _key(*path: str) -> str:
    return "/".join(path).replace(".", "-")  # a dot would mean a table within a table


def i18n() -> gr.I18n:
    """Every sentence by its key and language, for ``launch(i18n=...)``."""
    return gr.I18n(**{locale: _sentences(WORDS[name]) for locale, name in LOCALES.items()})


def _sentences(words: ModuleType) -> dict[str, str]:
    sentences = {}
    for name, value in vars(words).items():
        if isinstance(value, str) and name.isupper():
            sentences[_key(name)] = value
        elif isinstance(value, dict) and name.isupper():
            sentences |= {_key(name, key): sentence for key, sentence in value.items()}
    return sentences | {_key("HELP", info.key): _help(words, info) for info in all_settings()}


def _help(words: ModuleType, info: SettingInfo) -> str:
    sentence = words.HELP.get(info.key, info.help)
    lines = {list: f" {words.ONE_PER_LINE}", dict: f" {words.PAIR_PER_LINE}"}
    return sentence + lines.get(info.type, "")


def help_of(info: SettingInfo) -> str:
    """The help sentence of a setting; English is ``sdlora.settings``'s own."""
    return mark("HELP", info.key) if _building.get() else _help(WORDS[language()], info)


def every(name: str) -> list[str]:
    """The sentence in each language, for what is made once and must fit all visitors (colours by name)."""
    return [getattr(words, name) for words in WORDS.values()]


def count(name: str, value: int, **more: object) -> str:
    """NAME_ONE or NAME_MANY with the number in it."""
    return _say(f"{name}_ONE" if value == 1 else f"{name}_MANY").format(count=number(value), **more)


# ---- sentences with parts


def names_listed(names: list[str], limit: int = 5) -> str:
    """ "a.png, b.png and 3 more"."""
    shown = _say("COMMA").join(names[:limit])
    if len(names) <= limit:
        return shown
    return _say("AND_OTHERS").format(names=shown, count=number(len(names) - limit))


def unreadable(names: list[str]) -> str:
    """Which images can't be read, named or counted."""
    if len(names) == 1:
        return _say("UNREADABLE").format(name=names[0])
    return _say("UNREADABLES").format(count=number(len(names)), names=names_listed(names))


def page_of(first: int, last: int, of: int) -> str:
    """ "25 to 48 of 130"."""
    return _say("PAGE_OF").format(first=number(first), last=number(last), count=number(of))


def more_problems(more: int) -> str:
    """ "and 3 more"."""
    return _say("AND_MORE").format(count=number(more))


def run_label(name: str, when: str, state: str, rating: int = 0) -> str:
    """A run in a list: name, time, state and rating."""
    return " · ".join(part for part in (name, when, _say("STATES")[state], "★" * rating) if part)


def step_title(step: int) -> str:
    """ "step 500", or that it is before training."""
    return _say("BEFORE") if step == 0 else _say("AT_STEP").format(step=number(step))


def alt_text(prompt: str, step: int) -> str:
    """What a screen reader says of a test picture."""
    return _say("PICTURE_ALT").format(step=step_title(step), prompt=prompt)


# ---- dates


def moment(when: datetime) -> str:
    """A day and a time of day: "21 Nov 15:32", "11月21日 15:32"."""
    month = _say("MONTHS")[str(when.month)]
    return _say("MOMENT").format(day=when.day, month=month, time=f"{when:%H:%M}")


# ---- numbers


def number(value: float) -> str:
    """A whole number with signs between thousands."""
    return f"{value:,.0f}"


def compact(value: float) -> str:
    """At most three decimals, no trailing zeros: 0.5, 1, 0.333."""
    return f"{value:.3f}".rstrip("0").rstrip(".") or "0"


def duration(seconds: float) -> str:
    """Rounded as people say it: "40 s", "15 min", "3 h 20 min"."""
    if seconds < 1:
        return _say("UNDER_A_SECOND")
    if seconds < 90:
        return _say("SECONDS").format(seconds=f"{seconds:.0f}")
    minutes = round(seconds / 60)
    if minutes < 90:
        return _say("MINUTES").format(minutes=minutes)
    return _say("HOURS").format(hours=minutes // 60, minutes=minutes % 60)


def time_left(seconds: float) -> str:
    """ "about 15 min left"."""
    return _say("TIME_LEFT").format(time=duration(seconds))


def pace(seconds: float) -> str:
    """Time per step, or steps per second where that is the larger number."""
    if seconds >= 1:
        return _say("PACE_SLOW").format(seconds=f"{seconds:.1f}")
    return _say("PACE_FAST").format(steps=f"{1 / seconds:.1f}")


def size(amount: int) -> str:
    """Bytes in the unit that reads well; decimal units, as file managers show them."""
    for unit, limit in (("kB", 1e6), ("MB", 1e9), ("GB", float("inf"))):
        if amount < limit:
            value = amount / (limit / 1000 if limit != float("inf") else 1e9)
            return f"{value:.0f} {unit}" if value >= 10 else f"{value:.1f} {unit}"
    raise AssertionError("unreachable")
