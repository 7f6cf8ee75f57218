"""How the page looks: one accent colour, system fonts (nothing is fetched). The style sheets build on it."""

import gradio as gr

from ui.shell import assets

ACCENT = "#0d9488"  # teal 600: 3.7:1 on white, 4.8:1 on slate 900; lines and dots, never small text
MUTED = "rgba(148, 163, 184, 0.38)"
STRONG = "#b45309"  # amber 700: the check loss, in both schemes
SOFT = "#d9a066"  # the same loss on training images: its lighter sister
WARM = "#7c6bd6"  # violet: the drift
OTHER = "#64748b"  # slate: another run's loss beside this one's
OTHER_CHECK = "#db2777"  # pink 600: its validation loss

SYSTEM = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif"]
MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]


def theme() -> gr.themes.Base:
    """Gradio's theme with the page's colours, fonts and sizes."""
    return gr.themes.Base(
        primary_hue="teal",
        secondary_hue="slate",
        neutral_hue="slate",
        radius_size="lg",
        font=SYSTEM,
        font_mono=MONO,
    ).set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="#0b1120",
        background_fill_primary_dark="#111a2c",
        block_background_fill_dark="#111a2c",
        block_border_width="1px",
        block_shadow="none",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_label_border_width="0px",
        block_label_text_color="*neutral_600",
        block_label_text_color_dark="*neutral_300",
        block_title_text_weight="600",
        block_title_text_color="*neutral_800",
        block_title_text_color_dark="*neutral_100",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_400",
        input_placeholder_color="*neutral_400",
        input_placeholder_color_dark="*neutral_500",
        color_accent="*primary_700",
        input_border_width="1px",
        input_border_color="*neutral_300",
        input_border_color_dark="*neutral_700",
        input_border_color_focus="*primary_600",
        input_border_color_focus_dark="*primary_500",
        input_shadow="none",
        input_background_fill="white",
        input_background_fill_dark="#0b1120",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_600",
        button_primary_text_color="white",
        button_secondary_background_fill="white",
        button_secondary_background_fill_dark="#1b263b",
        button_secondary_border_color="*neutral_300",
        button_secondary_border_color_dark="*neutral_600",
        button_secondary_text_color="*neutral_800",
        button_secondary_text_color_dark="*neutral_100",
        button_large_text_weight="600",
        button_border_width="1px",
        slider_color=ACCENT,
        slider_color_dark=ACCENT,
    )


def colours() -> str:
    """The colours that the curve has too, for the style sheets."""
    told = {"check-loss": STRONG, "training-loss": SOFT, "drift": WARM, "other": OTHER, "other-check": OTHER_CHECK}
    return assets.css_variables(told)
