"""The captioner of the Images tab: its components. A model writes captions in the background."""

from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from sdlora.captioners import CAPTIONERS
from ui import text
from ui.shell import render
from ui.tabs.images.captioning import MODES, Asked
from ui.tabs.settings import form

WHICH = ("shown", "chosen")


@dataclass
class CaptionerTab:
    """The components of the captioner."""

    captioner: gr.Radio
    model: gr.Textbox
    server: gr.Textbox
    mode: gr.Radio
    which: gr.Radio
    prompt: gr.Textbox
    without: gr.Textbox
    threshold: gr.Textbox
    revision: gr.Textbox
    start: gr.Button
    stop: gr.Button
    go_on: gr.Button
    told: gr.HTML
    working: gr.Timer

    def all(self) -> list[Any]:
        """Every component."""
        return [getattr(self, f.name) for f in fields(self)]

    def asked(self) -> list[Any]:
        """What a visitor fills in, as the handlers get it: the fields of ``Asked`` but the names, then which images."""
        by_name = [getattr(self, f.name) for f in fields(Asked) if f.name != "names"]
        return [*by_name, self.which]


def build_captioner() -> CaptionerTab:
    """The components, in a box of their own."""
    first = Asked()
    with gr.Accordion(text.CAPTIONER, open=False, elem_id="captioner-box"):
        gr.HTML(render.note(text.CAPTIONER_HELP), apply_default_css=False)
        named = text.CAPTIONERS
        captioner = _choice([(named[name], name) for name in CAPTIONERS], first.captioner, text.CAPTIONER_WITH, "with")
        with gr.Row():
            model = _line(text.CAPTIONER_MODEL, "", "model", text.CAPTIONER_MODEL_HINT)
            server = _line(text.CAPTIONER_SERVER, first.server, "server")
        modes = text.CAPTIONER_MODES
        mode = _choice([(modes[name], name) for name in MODES], first.mode, text.CAPTIONER_MODE, "mode")
        each = text.CAPTIONER_WHICH
        which = _choice([(each[name], name) for name in WHICH], WHICH[0], text.CAPTIONER_IMAGES, "which")
        with gr.Accordion(text.CAPTIONER_MORE, open=False, elem_id="captioner-more"):
            prompt = _line(text.CAPTIONER_PROMPT, "", "prompt", text.CAPTIONER_PROMPT_HINT)
            without = _line(text.CAPTIONER_WITHOUT, "", "without", text.CAPTIONER_WITHOUT_HINT)
            with gr.Row():
                threshold = _line(text.CAPTIONER_LEAST, first.threshold, "threshold", visible=False)
                revision = _line(text.CAPTIONER_REVISION, "", "revision", visible=False)
        with gr.Row(elem_classes="small-buttons"):
            look = {"size": "sm", "scale": 0, "min_width": 150}
            start = gr.Button(text.CAPTIONER_START, variant="primary", elem_id="captioner-start", **look)
            stop = gr.Button(text.CAPTIONER_STOP, visible=False, elem_id="captioner-stop", **look)
            go_on = gr.Button(text.CAPTIONER_GO_ON, visible=False, elem_id="captioner-go-on", **look)
        told = gr.HTML("", elem_id="captioner-told", apply_default_css=False)
    working = gr.Timer(1.0, active=False)
    return CaptionerTab(
        captioner, model, server, mode, which, prompt, without, threshold, revision, start, stop, go_on, told, working
    )


def _choice(choices: list[tuple[str, str]], value: str, label: str, name: str) -> gr.Radio:
    return form.as_typed(gr.Radio(choices, value=value, label=label, elem_id=f"captioner-{name}"))


def _line(label: str, value: str, name: str, hint: str = "", visible: bool = True) -> gr.Textbox:
    return gr.Textbox(
        value=value, label=label, placeholder=hint, max_lines=1, min_width=200, visible=visible,
        elem_id=f"captioner-{name}",
    )  # fmt: skip
