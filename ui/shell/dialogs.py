"""The windows that stand over the page; ``script.js`` opens them: large pictures, keys, the question before a stop."""

from ui import text
from ui.shell.render import escape


def closed() -> str:
    """The windows, closed, in the visitor's language: sent when the page has loaded."""
    return _lightbox() + _stop_question() + _empty_question() + _keys() + _offline()


def _lightbox() -> str:
    return (
        f'<dialog id="lightbox" aria-label="{text.LARGE}"><div class="lightbox-head"><p id="lightbox-prompt"></p>'
        f'<button type="button" data-close aria-label="{text.CLOSE}">✕</button></div>'
        '<div class="stage"><img id="lightbox-now" alt=""><img id="lightbox-first" alt=""><i></i></div>'
        f'<label class="slide"><span id="lightbox-left"></span>'
        f'<input type="range" id="lightbox-slider" min="0" max="100" value="0" aria-label="{text.SLIDER}">'
        '<span id="lightbox-right"></span></label>'
        f'<div class="lightbox-foot"><button type="button" data-go="-1" aria-label="{text.EARLIER}">←</button>'
        f'<b id="lightbox-title"></b><button type="button" data-go="1" aria-label="{text.LATER}">→</button></div>'
        "</dialog>"
    )


def _stop_question() -> str:
    return (
        f'<dialog id="ask-stop" aria-labelledby="ask-stop-title"><h2 id="ask-stop-title">{escape(text.STOP_QUESTION)}'
        f"</h2><p>{escape(text.STOP_ANSWER)}</p>"
        f'<div class="choices"><button type="button" data-close>{text.GO_ON}</button>'
        f'<button type="button" class="strong" data-stop>{text.YES_STOP}</button></div></dialog>'
    )


def _empty_question() -> str:
    return (
        f'<dialog id="ask-empty" aria-labelledby="ask-empty-title"><h2 id="ask-empty-title">'
        f"{escape(text.EMPTY_QUESTION)}</h2><p>{escape(text.EMPTY_ANSWER)}</p>"
        f'<div class="choices"><button type="button" data-close>{text.KEEP_BIN}</button>'
        f'<button type="button" class="strong" data-empty>{text.YES_EMPTY}</button></div></dialog>'
    )


def _keys() -> str:
    shown = {
        "1": "1 – 4", "s": "S", "slash": "/", "start": "Ctrl + ↵", "arrows": "← → ↑ ↓",
        "enter": "↵", "next": "Ctrl + ↵", "esc": "Esc", "help": "?",
    }  # fmt: skip
    rows = "".join(f"<dt><kbd>{shown[key]}</kbd></dt><dd>{words}</dd>" for key, words in text.KEYS.items())
    return (
        f'<dialog id="keys" aria-labelledby="keys-title"><div class="lightbox-head"><h2 id="keys-title">'
        f'{text.KEYS_TITLE}</h2><button type="button" data-close aria-label="{text.CLOSE}">✕</button></div>'
        f'<dl>{rows}</dl><label class="switch"><input type="checkbox" id="keys-on" checked> {text.KEYS_SWITCH}</label>'
        "</dialog>"
    )


def _offline() -> str:
    return f'<div id="offline" role="alert" hidden>{text.NOT_CONNECTED}</div>'


def language_choice() -> str:
    """The choice of the page's language; each is written in itself."""
    choices = {"": "", "en": "English", "zh-CN": "中文"}
    options = "".join(f'<option value="{value}">{words}</option>' for value, words in choices.items())
    none = f'<span hidden id="language-none">{text.LANGUAGE_BROWSER}</span>'  # a mark is put in for in text alone
    name = f'<span hidden id="language-name">{text.LANGUAGE}</span>'
    return f'{none}{name}<select id="language" aria-labelledby="language-name">{options}</select>'


def keys_button() -> str:
    """The button that opens the list of keys."""
    name = f'<span hidden id="show-keys-name">{text.KEYS_TITLE}</span>'
    return f'{name}<button type="button" id="show-keys" aria-labelledby="show-keys-name">?</button>'
