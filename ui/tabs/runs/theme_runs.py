"""The CSS of the Runs and Compare tabs and of the windows over the page, on the theme's variables like the rest."""

CSS = """
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
#announce, #dialogs, [id^="stamp-"] { position: absolute; width: 0; height: 0; overflow: hidden; padding: 0;
  min-width: 0; border: 0; }
#show-keys { width: 34px; height: 34px; border-radius: 50%; border: 1px solid var(--border-color-primary);
  background: none; color: var(--body-text-color-subdued); font-weight: 600; cursor: pointer; }
#run-buttons:not(:has(button:not(#stop-now))) { display: none; }
.strip { font-variant-numeric: tabular-nums; }
.failure { border-left: 3px solid #dc2626; padding: 2px 0 2px 14px; margin: 14px 0 0; }
.failure dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 16px; margin: 0; }
.failure dt { font-weight: 600; } .failure dd { margin: 0; }
.card details { margin-top: 12px; } .card summary { cursor: pointer; font-weight: 600; font-size: 14px; }
.copy { float: right; font-size: 13px; min-height: 30px; padding: 0 12px; margin-top: -26px; border-radius: 8px;
  border: 1px solid var(--border-color-primary); background: none; color: var(--body-text-color); cursor: pointer; }
.later { display: block; width: clamp(104px, 10.4vw, 136px); aspect-ratio: 1; border-radius: 10px;
  background: var(--background-fill-secondary); }
.samples:focus-visible, .wide:focus-visible { outline: 2px solid var(--primary-600); outline-offset: 2px; }
.samples table thead th { max-width: 136px; white-space: normal; vertical-align: bottom; overflow-wrap: anywhere; }
:is(#strength-box, #curve-row, #export-row, #best-row) { gap: 10px 16px; }
#strength-box h3 { margin-bottom: -4px; }
#strength-pictures .samples { margin-top: 4px; }
.card .samples + .note { margin: 6px 0 0; } .note:empty { display: none; }
#curve-row { align-items: center; }
#export-row > * { align-self: stretch; } #export-row button { align-self: end; }
.buttons button:is(.reset-button, .icon-button, .copy-text) { min-height: 0; font-size: inherit; }
.buttons > button { align-self: flex-end; max-height: 48px; }
#show-all { border: 0; background: none; padding: 0 4px; }
#dtype .wrap, #container .wrap { gap: 6px; }
#dtype label, #container label { padding: 6px 10px; }
.wide { overflow-x: auto; }
.differences { border-collapse: collapse; font-size: 14px; width: 100%; }
.differences th, .differences td { text-align: left; padding: 7px 14px 7px 0; vertical-align: top;
  border-top: 1px solid var(--border-color-primary); font-weight: 400; }
.differences thead th { border-top: 0; font-weight: 600; }
.differences code { font-size: 13px; }
#compare-grid .samples { flex-direction: row; }
#compare-grid .samples table thead th { max-width: 170px; }
#compare-grid .samples td img, #played .samples td img { width: clamp(120px, 13vw, 190px); }
#played .samples td img { width: clamp(240px, 26vw, 384px); }
dialog { border: 0; border-radius: 16px; padding: 20px; margin: auto; max-width: 94vw; max-height: 96vh; overflow: auto;
  color: var(--body-text-color); background: var(--background-fill-primary); }
dialog::backdrop { background: rgb(2 6 23 / .74); }
dialog h2 { font-size: 18px; font-weight: 650; margin: 0; } dialog p { margin: 0; }
dialog button { min-height: 40px; min-width: 44px; padding: 0 16px; border-radius: 8px; cursor: pointer;
  border: 1px solid var(--border-color-primary); background: none; color: var(--body-text-color); font-size: 15px; }
dialog button.strong { background: var(--primary-700); border-color: var(--primary-700); color: white;
  font-weight: 600; }
dialog button:disabled { opacity: .35; cursor: default; }
dialog :is(button, input):focus-visible { outline: 3px solid var(--primary-600); outline-offset: 2px; }
.lightbox-head { display: flex; gap: 16px; align-items: center; justify-content: space-between; margin-bottom: 12px; }
.lightbox-head p { overflow-wrap: anywhere; max-height: 4.5em; overflow: auto; }
#lightbox { width: min(760px, 94vw); }
.stage { position: relative; display: grid; place-items: center; border-radius: 10px; overflow: hidden;
  background: var(--background-fill-secondary); width: min(100%, 66vh); margin: 0 auto; }
.stage img { grid-area: 1 / 1; width: 100%; aspect-ratio: 1; object-fit: contain; display: block; }
#lightbox-first { clip-path: inset(0 calc(100% - var(--cut, 0%)) 0 0); }
.stage i { position: absolute; inset: 0 auto 0 var(--cut, 0%); width: 2px; background: white;
  box-shadow: 0 0 4px rgb(0 0 0 / .6); }
.single :is(.slide, .stage i, #lightbox-first) { display: none; }
.slide { display: flex; gap: 12px; align-items: center; font-size: 13px; margin: 12px auto 0; width: min(100%, 66vh); }
.slide input { flex: 1; accent-color: var(--primary-600); height: 28px; }
.lightbox-foot { display: flex; justify-content: space-between; align-items: center; gap: 12px; margin-top: 10px; }
#ask-stop p { margin: 8px 0 18px; color: var(--body-text-color-subdued); }
.choices { display: flex; flex-wrap: wrap; gap: 10px; justify-content: flex-end; }
#keys dl { display: grid; grid-template-columns: max-content 1fr; gap: 8px 18px; margin: 0 0 16px; }
#keys dd { margin: 0; }
kbd { font-family: var(--font-mono); font-size: 13px; border: 1px solid var(--border-color-primary); border-radius: 6px;
  padding: 2px 8px; background: var(--background-fill-secondary); }
#keys .switch { display: flex; gap: 10px; align-items: center; font-size: 14px; }
#offline { position: fixed; inset: auto 0 0 0; z-index: 2000; padding: 12px 16px; text-align: center; font-weight: 600;
  background: #92400e; color: white; }
#offline[hidden] { display: none; }
.offline #strip { opacity: .45; }
.offline .toast-wrap { display: none; }
@media (max-width: 640px) {
  #top { position: sticky; top: 0; z-index: 20; background: var(--body-background-fill); padding: 6px 0; }
  #keys-place { display: none; }
  #tabs > .tab-wrapper .tab-container button { padding: 0 6px; }
  .failure dl { grid-template-columns: 1fr; gap: 0; } .failure dd { margin-bottom: 8px; }
  #run-buttons button { flex: 1 1 44%; }
  dialog { padding: 14px; }
}
"""
