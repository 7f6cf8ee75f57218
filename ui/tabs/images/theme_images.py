"""The Images tab's CSS, on the theme's variables like the rest."""

CSS = """
#source { align-items: stretch; }
#drop { border: 2px dashed var(--neutral-300) !important; }
.dark #drop { border-color: var(--neutral-600) !important; }
#drop:hover { border-color: var(--primary-600) !important; }
#show-images { margin-left: auto; }
#recent-place { flex: 0 0 auto; width: auto; min-width: 0; overflow: visible; padding: 0; }
#recent { position: relative; font-size: 14px; }
#recent summary { min-height: 36px; min-width: 150px; padding: 0 12px; display: flex; align-items: center;
  justify-content: center; gap: 6px; cursor: pointer; font-size: var(--button-small-text-size);
  border: 1px solid var(--border-color-primary); border-radius: var(--button-small-radius);
  background: var(--button-secondary-background-fill); }
#recent summary::after { content: "\\25BE"; }
#recent summary:hover { background: var(--button-secondary-background-fill-hover); }
#recent summary:focus-visible, #recent button:focus-visible { outline: 2px solid var(--primary-600); }
#recent .recent { position: absolute; z-index: 20; left: 0; top: 40px; width: max-content; padding: 6px;
  max-width: min(560px, calc(100vw - 64px)); border-radius: 10px; border: 1px solid var(--border-color-primary);
  background: var(--background-fill-primary); box-shadow: var(--shadow-drop-lg); }
#recent ul { list-style: none; margin: 0; padding: 0; }
#recent button { width: 100%; min-height: 36px; padding: 6px 10px; text-align: start; border-radius: 6px;
  overflow-wrap: anywhere; color: var(--body-text-color); }
#recent button:hover { background: var(--background-fill-secondary); }
#recent button[aria-current] { font-weight: 600; }
#recent .forget { color: var(--body-text-color-subdued); border-top: 1px solid var(--border-color-primary); }
#drop .wrap { font-size: 0; justify-content: flex-start; padding-top: 26px; min-height: 0; }
#drop .wrap .or { display: none; }
#drop label[data-testid="block-label"] { position: absolute; inset: auto 0 22px 0; justify-content: center;
  font-size: 14px; font-weight: 600; color: var(--body-text-color); pointer-events: none; border: 0; }
#drop label[data-testid="block-label"] span { display: none; }
:is(#dropped, #notes):not(:has(p, li)) { display: none; }
.small-buttons { gap: 8px; }
.small-buttons button { min-height: 36px; }
.summary { font-size: 15px; margin: 6px 2px 2px; display: flex; flex-wrap: wrap; gap: 2px 9px; }
.summary i { color: var(--body-text-color-subdued); font-style: normal; }
.summary .worth { font-weight: 600; }
.summary .worth::before { content: "\\25B2\\00A0"; color: #b45309; font-size: .8em; }
.dark .summary .worth::before { color: #fbbf24; }
#image-actions { gap: 8px; }
#image-actions:not(:has(button)) { display: none; }
#finding { align-items: center; }
#finding > * { min-width: 0; }
#filter .wrap { gap: 8px; }
#tags .wrap { gap: 6px; max-height: 190px; overflow-y: auto; }
#tags label { padding: 3px 10px; font-size: 13px; }
#tags label input { width: 0; height: 0; margin: 0; border: 0; opacity: 0; position: absolute; }
#tags label:has(:focus-visible) { outline: 2px solid var(--primary-600); outline-offset: 1px; }
#tags label.selected { border-color: var(--primary-600); background: var(--primary-700); color: white; }
#more { gap: 12px; align-items: flex-start; }
.changes { list-style: none; padding: 0; margin: 6px 0; font-size: 14px; }
.changes li { padding: 6px 0; border-top: 1px solid var(--border-color-primary); overflow-wrap: anywhere; }
.changes small { display: block; color: var(--body-text-color-subdued); }
.changes ins { text-decoration: underline; text-decoration-thickness: 2px; font-weight: 600;
  background: color-mix(in srgb, var(--primary-500) 20%, transparent); border-radius: 3px; padding: 0 2px; }
.changes del { background: color-mix(in srgb, #dc2626 16%, transparent); border-radius: 3px; padding: 0 2px; }
.picked.missing { display: grid; place-items: center; min-height: 160px; border-radius: 10px; padding: 16px;
  background: var(--background-fill-secondary); }
.remark { font-size: 14px; margin: 6px 2px; padding-left: 10px; border-left: 3px solid #d97706; }
.sees { margin: 8px 0 2px; padding: 12px 14px; border-radius: 10px; font-size: 14px;
  background: color-mix(in srgb, var(--primary-500) 9%, transparent); overflow-wrap: anywhere; }
.sees p { margin: 0; color: var(--body-text-color-subdued); }
.sees .words { margin: 6px 0; color: var(--body-text-color); font-size: 15px; }
.sees q { quotes: "\\201C" "\\201D"; }
#edit { gap: 10px; }
#conflict { padding: 12px 14px; border-radius: 10px; border: 1px solid #d97706; gap: 8px; }
.conflict p { margin: 0 0 6px; font-size: 14px; }
.conflict dl { margin: 0; font-size: 14px; overflow-wrap: anywhere; }
.conflict dt { font-weight: 600; }
.conflict dd { margin: 0 0 6px; }
#saved { margin-top: -4px; }
#tags { border: 0; padding: 0; box-shadow: none; background: none; }
#tags [data-testid="block-info"] { font-weight: 400; font-size: 14px; color: var(--body-text-color-subdued); }
#gallery .thumbnail-item .caption-label { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2;
  height: 36px; padding: 4px 8px 0; margin-bottom: 8px; }
#tags-box .form { background: none; border: 0; box-shadow: none; }
#editor .picked img { max-height: min(420px, 44vh); }
#pager { align-items: center; }
#page-of { text-align: center; }
@media (max-width: 640px) { #show-images { flex: 1 1 100%; } #page-of { order: -1; flex-basis: 100%; } }
"""
