"""How the page looks: one accent colour, system fonts (nothing is fetched), a little CSS on the theme's variables."""

import gradio as gr

from ui.tabs.images import theme_images
from ui.tabs.runs import theme_runs
from ui.tabs.settings import theme_settings

ACCENT = "#0d9488"  # teal 600: 3.7:1 on white, 4.8:1 on slate 900; lines and dots, never small text
MUTED = "rgba(148, 163, 184, 0.38)"
STRONG = "#b45309"  # amber 700: the check loss, in both schemes

SYSTEM = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif"]
MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]


def theme() -> gr.themes.Base:
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


CSS = (
    theme_images.CSS
    + theme_runs.CSS
    + theme_settings.CSS
    + """
.gradio-container { max-width: 1320px !important; width: 100% !important; margin: 0 auto !important; }
footer { display: none !important; }
.dark { --color-accent: var(--primary-400); }
.html-container { padding: 0 !important; }
#top { align-items: center; justify-content: space-between; gap: 4px 24px; }
#top > * { flex: 0 1 auto; min-width: 0; width: auto; }
#title h1 { font-size: 20px; font-weight: 650; margin: 0; letter-spacing: -.01em; white-space: nowrap; }
.strip, .pill { display: inline-flex; align-items: center; gap: 8px; color: var(--body-text-color); }
.strip::before, .pill::before { content: ""; flex: none; width: 9px; height: 9px; border-radius: 50%;
  background: var(--neutral-400); }
.live::before { background: var(--primary-500);
  box-shadow: 0 0 0 4px color-mix(in srgb, var(--primary-500) 22%, transparent); }
.bad::before { background: #dc2626; border-radius: 2px; }
.note { color: var(--body-text-color-subdued); font-size: 14px; margin: 4px 0; }
.card { background: var(--block-background-fill); border: 1px solid var(--border-color-primary);
  border-radius: var(--block-radius); padding: 18px 20px; overflow-wrap: anywhere; }
.card h2 { font-size: 22px; font-weight: 650; margin: 0; letter-spacing: -.01em; }
.card h3, .section { font-size: 15px; font-weight: 600; margin: 0 0 10px; }
.section { margin: 6px 2px -6px; }
.run-head { display: flex; flex-wrap: wrap; gap: 4px 16px; align-items: baseline; justify-content: space-between; }
.bar { height: 8px; border-radius: 4px; background: var(--border-color-primary); overflow: hidden;
  margin: 14px 0 10px; }
.bar i { display: block; height: 100%; border-radius: 4px; background: var(--primary-600); transition: width .6s; }
#tabs input[type=range]::-webkit-slider-thumb {
  border: 2px solid var(--primary-600) !important; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 20px; margin: 0 0 4px; font-size: 14px; }
.legend span::before { content: ""; display: inline-block; width: 22px; vertical-align: middle; margin-right: 8px;
  border-top: 3px solid var(--neutral-400); }
.legend .check::before { border-top-color: #b45309; }
.legend .smooth::before { border-top-color: var(--primary-600); }
.legend .raw::before { border-top-width: 1px; }
.facts { display: flex; flex-wrap: wrap; gap: 4px 22px; font-variant-numeric: tabular-nums; }
.facts span { color: var(--body-text-color-subdued); }
.facts b { font-weight: 600; color: var(--body-text-color); }
.said { margin: 12px 0 0; }
.said.bad { border-left: 3px solid #dc2626; padding-left: 12px; }
.said.bad::before { display: none; }
.card pre { white-space: pre-wrap; font-size: 12px; max-height: 220px; overflow: auto; margin: 10px 0 0;
  padding: 10px; border-radius: 8px; background: var(--background-fill-secondary); }
.samples { display: flex; flex-direction: row-reverse; overflow-x: auto; }
.samples table { margin-right: auto; border-collapse: separate; border-spacing: 8px 4px; margin-left: -8px; }
.samples th { font-weight: 500; font-size: 13px; text-align: left; color: var(--body-text-color-subdued);
  padding: 0; }
.samples th.prompt { color: var(--body-text-color); padding-top: 10px; }
.samples thead th { white-space: nowrap; }
.samples .rest { width: 100%; }
.samples th.prompt span { position: sticky; left: 8px; display: inline-block; max-width: min(620px, 76vw); }
.samples button { padding: 0; border: 0; background: none; cursor: zoom-in; border-radius: 10px; display: block; }
.samples td img { width: clamp(104px, 10.4vw, 136px); max-width: none; aspect-ratio: 1; object-fit: contain;
  border-radius: 10px; display: block;
  background: var(--background-fill-secondary); }
.samples button:focus-visible { outline: 3px solid var(--primary-600); outline-offset: 2px; }
.files { list-style: none; padding: 0; margin: 0; }
.files li { display: flex; flex-wrap: wrap; gap: 4px 16px; align-items: center; padding: 9px 0; }
.files li + li { border-top: 1px solid var(--border-color-primary); }
.files .what { flex: 1 1 220px; }
.files small { color: var(--body-text-color-subdued); display: block; }
.files a { min-height: 44px; display: inline-flex; align-items: center; padding: 0 16px; border-radius: 8px;
  font-weight: 600; text-decoration: none; color: var(--button-secondary-text-color);
  border: 1px solid var(--border-color-primary); }
.files li:first-child a { background: var(--primary-700); border-color: var(--primary-700); color: white; }
.checks { list-style: none; padding: 0; margin: 0; }
.checks li { padding: 8px 0 8px 28px; position: relative; }
.checks li::before { content: "\\2713"; position: absolute; left: 4px; font-weight: 700; color: var(--primary-600); }
.checks li.warning::before { content: "!"; color: #b45309; left: 8px; }
.dark .checks li.warning::before { color: #fbbf24; }
.checks li.fatal::before { content: "\\2717"; color: #dc2626; }
.dark .checks li.fatal::before { color: #f87171; }
.dark input[type=range] { --neutral-200: var(--neutral-700); }
.strength { font-size: 14px; padding: 2px 4px; font-variant-numeric: tabular-nums; }
#run-list fieldset, #run-list .wrap { display: flex; flex-direction: column; flex-wrap: nowrap; }
#run-list .wrap { max-height: 520px; overflow-y: auto; }
#run-list label { width: 100%; }
#run-list label span { overflow-wrap: anywhere; }
.buttons button { min-height: 44px; font-size: 15px; white-space: nowrap; }
.picked { margin: 0; }
.picked img { width: 100%; max-height: 420px; object-fit: contain; border-radius: 10px;
  background: var(--background-fill-secondary); }
.picked figcaption { font-size: 13px; color: var(--body-text-color-subdued); padding: 6px 2px 0;
  overflow-wrap: anywhere; }
#gallery .grid-wrap { height: auto; max-height: none; padding: 0; overflow: visible; }
#gallery .grid-container { grid-template-columns: repeat(auto-fill, minmax(124px, 1fr)); gap: 12px; padding: 12px; }
#gallery .thumbnail-item { aspect-ratio: auto; height: auto; display: flex; flex-direction: column;
  border-color: transparent; }
#gallery .thumbnail-item img { aspect-ratio: 1; height: auto; width: 100%; }
#gallery .thumbnail-item:is(:hover, :focus-visible) { border-color: var(--primary-500); filter: none; }
#gallery:not(.unmarked) .thumbnail-item.selected { border-color: var(--primary-600);
  box-shadow: 0 0 0 2px var(--primary-600); }
#gallery .caption-label { position: static; max-width: none; width: 100%; border: 0; background: none;
  padding: 6px 8px 8px;
  font-size: 12px; line-height: 1.35; text-align: left; white-space: normal; height: 46px; overflow: hidden;
  opacity: 1; }
#editor { position: sticky; top: 12px; align-self: flex-start; }
@media (max-width: 640px) {
  #run-list .wrap { max-height: 200px; }
  #gallery .grid-container { grid-template-columns: repeat(auto-fill, minmax(92px, 1fr)); }
  .card { padding: 14px; }
  #title, #strip { width: 100% !important; }
}
@media (prefers-reduced-motion: reduce) { * { transition: none !important; animation: none !important; } }
"""
)
