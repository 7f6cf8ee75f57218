"""The Compare tab: grids of checkpoint × strength × prompt, and a playground for several LoRAs at once."""

from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from ui import text
from ui.shell import render
from ui.tabs.settings import form

SLOTS = 3  # LoRAs of the playground


@dataclass
class CompareTab:
    """The components of the tab."""

    checkpoints: gr.Dropdown
    strengths: gr.Textbox
    prompts: gr.Textbox
    seed: gr.Number
    draw: gr.Button
    said: gr.HTML
    shown: gr.Dropdown
    grid: gr.HTML
    best: gr.Dropdown
    use: gr.Button
    used: gr.HTML
    differences: gr.HTML
    play_prompt: gr.Textbox
    play_negative: gr.Textbox
    play_seed: gr.Number
    play_loras: list[gr.Dropdown]
    play_strengths: list[gr.Slider]
    play: gr.Button
    play_said: gr.HTML
    played: gr.HTML
    wanted: gr.State  # of "Use this one": (run, step) that is being written

    def filled(self) -> dict[str, Any]:
        """The components that a tick fills, by name."""
        names = ("checkpoints", "shown", "grid", "best", "use", "differences", "played", "used")
        slots = {f"slot{number}": lora for number, lora in enumerate(self.play_loras)}
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name in names} | slots


def build() -> CompareTab:
    """Make the components of the tab."""
    made: dict[str, Any] = {}
    _heading(text.COMPARE_TITLE, text.COMPARE_HELP)
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=300, elem_id="compare-form"):
            made |= _form()
        with gr.Column(scale=5, min_width=320):
            made |= _result()
    _heading(text.PLAY, text.PLAY_HELP)
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=300, elem_id="play-form"):
            made |= _playground()
        with gr.Column(scale=5, min_width=320):
            made["played"] = gr.HTML(render.note(text.PLAY_EMPTY), elem_id="played", apply_default_css=False)
    return CompareTab(**made, wanted=gr.State(None))


def _heading(title: str, about: str) -> None:
    gr.HTML(f'<h2 class="section">{title}</h2>', apply_default_css=False)
    gr.HTML(render.note(about), apply_default_css=False)


def _form() -> dict[str, Any]:
    checkpoints = form.as_typed(
        gr.Dropdown(
            [],
            multiselect=True,
            label=text.CHECKPOINT_CHOICE,
            info=text.CHECKPOINT_CHOICE_HELP,
            elem_id="compare-checkpoints",
        )  # fmt: skip
    )
    strengths = gr.Textbox(
        "0 0.7 1", label=text.STRENGTHS, info=text.STRENGTHS_HELP, max_lines=1, elem_id="compare-strengths"
    )
    prompts = gr.Textbox(
        "", label=text.COMPARE_PROMPTS, info=text.COMPARE_PROMPTS_HELP, lines=3, elem_id="compare-prompts"
    )
    seed = form.as_typed(gr.Number(42, precision=0, label=text.COMPARE_SEED, elem_id="compare-seed"))
    with gr.Column(elem_classes="buttons"):
        draw = gr.Button(text.DRAW, variant="primary", elem_id="compare-draw")
    said = gr.HTML("", elem_id="compare-said", apply_default_css=False)
    return {
        "checkpoints": checkpoints, "strengths": strengths, "prompts": prompts, "seed": seed, "draw": draw,
        "said": said,
    }  # fmt: skip


def _result() -> dict[str, Any]:
    shown = form.as_typed(gr.Dropdown([], label=text.GRIDS, visible=False, elem_id="compare-shown"))
    grid = gr.HTML(render.note(text.GRID_EMPTY), elem_id="compare-grid", apply_default_css=False)
    with gr.Row(equal_height=True, elem_classes="buttons", elem_id="best-row"):
        best = form.as_typed(
            gr.Dropdown([], label=text.BEST, visible=False, elem_id="compare-best", min_width=260, scale=3)
        )
        use = gr.Button(text.USE_THIS, visible=False, elem_id="compare-use", scale=0, min_width=150)
    used = gr.HTML("", elem_id="compare-used", apply_default_css=False)
    differences = gr.HTML("", elem_id="compare-differences", apply_default_css=False)
    return {"shown": shown, "grid": grid, "best": best, "use": use, "used": used, "differences": differences}


def _playground() -> dict[str, Any]:
    prompt = gr.Textbox("", label=text.PLAY_PROMPT, lines=2, elem_id="play-prompt")
    negative = gr.Textbox("", label=text.PLAY_NEGATIVE, max_lines=2, elem_id="play-negative")
    seed = form.as_typed(gr.Number(42, precision=0, label=text.COMPARE_SEED, elem_id="play-seed"))
    loras, strengths = [], []
    for number in range(1, SLOTS + 1):
        loras.append(
            form.as_typed(
                gr.Dropdown(
                    [(text.NO_LORA, "")], value="", label=text.PLAY_LORAS[str(number)], elem_id=f"play-lora-{number}"
                )  # fmt: skip
            )
        )
        strengths.append(
            form.as_typed(
                gr.Slider(
                    -1, 2, value=1, step=0.05, label=text.PLAY_STRENGTHS[str(number)], elem_id=f"play-strength-{number}"
                )  # fmt: skip
            )
        )
    with gr.Column(elem_classes="buttons"):
        play = gr.Button(text.DRAW, variant="primary", elem_id="play-draw")
    return {
        "play_prompt": prompt, "play_negative": negative, "play_seed": seed, "play_loras": loras,
        "play_strengths": strengths, "play": play,
        "play_said": gr.HTML("", elem_id="play-said", apply_default_css=False),
    }  # fmt: skip
