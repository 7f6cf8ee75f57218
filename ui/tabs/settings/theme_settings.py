"""The Settings tab's CSS, on the theme's variables like the rest."""

CSS = """
.off { display: none !important; }
#settings-form { align-items: flex-start; gap: 18px; }
#settings-form .group { gap: 12px; padding: 18px 20px 20px; }
#settings-form .group > .section, #settings-form .group .section { margin: 0; font-size: 16px; }
#settings-form .fields > .form { display: grid; gap: 20px 24px; border: 0; border-radius: 0;
  background: none; overflow: visible; box-shadow: none;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 270px), 1fr)); }
#settings-form .fields .block[id^=field-] { display: flex; flex-direction: column; min-width: 0 !important;
  padding: 0; border: 0 !important; background: none; overflow: visible !important; }
#settings-form .fields .block > label.container { flex: 1; display: flex; flex-direction: column; }
#settings-form .fields .block > label.container > :last-child { margin-top: auto; }
#settings-form .fields { gap: 20px; }
#settings-form .fields > :has(#described, #strength):not(:has(p)) { display: none; }
#settings-form .fields .form:not(:has(> .block:not(.off))) { display: none; }
#settings-form .fields > #described { margin-top: -12px; }
#settings-form .fields .form:has(.is-wrong) .block > label.container { flex: none; }
#settings-form .fields .block input[type=checkbox] + span { font-weight: 600; }
#settings-form .fields .wide { grid-column: 1 / -1; }
#settings-form .fields input[type=number]::-webkit-inner-spin-button { display: none; }
#settings-form .fields input[type=number] { appearance: textfield; -moz-appearance: textfield; }
#preset .block { border: 0; background: none; padding: 0; }
#preset .form { border: 0; background: none; box-shadow: none; gap: 14px 24px; }
#preset .wrap { gap: 8px; }
#preset-note .note { margin: 2px 0 0; }
#find-settings { align-items: center; gap: 14px; padding: 0 4px; }
#find-settings .form { flex-direction: row; flex-wrap: wrap; align-items: center; gap: 10px 16px; border: 0;
  background: none; box-shadow: none; overflow: visible; }
#all-settings { flex: none !important; width: auto !important; border: 0; background: none;
  min-width: 140px !important; }
#settings-search { flex: 1 1 220px; min-width: 0 !important; }
.under { display: flex; flex-wrap: wrap; align-items: center; gap: 2px 10px; min-height: 0; font-size: 12px;
  color: var(--body-text-color-subdued); }
.under code { font-family: var(--font-mono); font-size: 11.5px; background: none; padding: 4px 0 0; display: none; }
#settings-form.all .under { min-height: 27px; }
#settings-form.all .under code { display: inline; }
.under .mark { padding-top: 4px; font-weight: 600; color: var(--primary-700); }
.dark .under .mark { color: var(--primary-300); }
.under .mark:not(:empty)::before { content: "\\25CF"; margin-right: 5px; }
#settings-form:not(.all) .mark, #settings-form:not(.all) .block:not(.is-wrong) .back { display: none; }
.trained .pictures { display: grid; grid-template-columns: repeat(3, 1fr); gap: 8px; margin: 0 0 8px; }
.trained .pictures:empty { display: none; }
.trained img { width: 100%; aspect-ratio: 1; object-fit: cover; border-radius: 8px;
  background: var(--background-fill-secondary); }
.trained p { margin: 0 0 8px; font-size: 14px; }
.trained code { background: none; padding: 0; font-size: 12px; color: var(--body-text-color-subdued); }
.trained button { min-height: 36px; padding: 0 12px; border-radius: 8px; font-size: 14px; color: var(--body-text-color);
  border: 1px solid var(--border-color-primary); }
.trained button:hover { border-color: var(--primary-600); }
#trained:not(:has(section)) { display: none; }
.under .back { margin-top: 4px; padding: 1px 8px; border-radius: 6px; border: 1px solid var(--border-color-primary);
  background: none; color: var(--body-text-color); font-size: 12px; cursor: pointer; max-width: 220px;
  overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.under .back:hover { border-color: var(--primary-600); }
.under .back[hidden] { display: none; }
.under .back:focus-visible, #settings-form input[type=range]:focus-visible { outline: 2px solid var(--primary-600);
  outline-offset: 2px; }
.wrong { margin: 6px 0 0; font-size: 13px; line-height: 1.4; overflow-wrap: anywhere; padding-left: 10px;
  border-left: 3px solid #d97706; color: var(--body-text-color); }
.wrong.fatal { border-left-color: #dc2626; }
.is-wrong :is(input:not([type=radio], [type=range]), textarea) { border-color: #dc2626 !important; }
#settings-form .fields input[type=range] { appearance: none; width: 100%; height: 26px; margin: 4px 0 0;
  background: none; cursor: pointer; }
#settings-form .fields input[type=range]::-webkit-slider-runnable-track { height: 6px; border-radius: 3px;
  background: linear-gradient(to right, var(--primary-600) var(--share, 0%), var(--neutral-200) var(--share, 0%)); }
.dark #settings-form .fields input[type=range]::-webkit-slider-runnable-track {
  background: linear-gradient(to right, var(--primary-500) var(--share, 0%), var(--neutral-700) var(--share, 0%)); }
#settings-form .fields input[type=range]::-webkit-slider-thumb { appearance: none; width: 18px; height: 18px;
  margin-top: -6px; border-radius: 50%; background: white; border: 2px solid var(--primary-600); }
#settings-form .fields input[type=range]::-moz-range-track { height: 6px; border-radius: 3px;
  background: var(--neutral-300); }
#settings-form .fields input[type=range]::-moz-range-progress { height: 6px; border-radius: 3px;
  background: var(--primary-600); }
#settings-form .fields input[type=range]::-moz-range-thumb { width: 14px; height: 14px; border-radius: 50%;
  background: white; border: 2px solid var(--primary-600); }
.described { margin: 0; font-size: 14px; font-weight: 500; color: var(--primary-700); }
.dark .described { color: var(--primary-300); }
:is(#described, #settings-answer, #nothing-found):not(:has(p)) { min-height: 0; }
.strength { display: flex; flex-wrap: wrap; gap: 4px 24px; margin: 0;
  padding: 10px 14px !important; border-radius: 10px;
  background: color-mix(in srgb, var(--primary-500) 9%, transparent); color: var(--body-text-color-subdued); }
.strength b { color: var(--body-text-color); font-weight: 600; }
.strength span[hidden], .strength:not(:has(span:not([hidden]))) { display: none; }
#settings-side { gap: 12px; position: sticky; top: 12px; align-self: flex-start; }
#settings-side .estimate p { margin: 0 0 8px; font-variant-numeric: tabular-nums; }
#settings-side .estimate p:last-child { margin-bottom: 0; }
.measuring::before { content: ""; display: inline-block; width: 10px; height: 10px; margin-right: 8px;
  border-radius: 50%; border: 2px solid var(--primary-600); border-right-color: transparent;
  animation: sdlora-turn 1s linear infinite; }
@keyframes sdlora-turn { to { transform: rotate(360deg); } }
#load-box { gap: 10px; }
#load-box .note { margin: 0; }
#load-box .form { border: 0; background: none; box-shadow: none; overflow: visible; }
.answer { border-left: 3px solid var(--primary-600); padding: 2px 0 2px 12px; font-size: 14px;
  overflow-wrap: anywhere; }
.answer p { margin: 4px 0; }
#paste-settings textarea { font-family: var(--font-mono); font-size: 12.5px; }
#paste-settings { padding: 0; border: 0; }
@media (max-width: 640px) {
  #settings-form .group { padding: 14px; }
  #settings-side { position: static; }
}
"""
