// The Images tab by keyboard and for screen readers: thumbnails with names, one of them in the Tab order, arrow keys, the
// way into the caption and back; and what was chosen in sight. Runs once when the page has loaded, and makes
// window.sdloraKeys. Names of files go through setAttribute alone.

function startKeys() {
  if (window.sdloraKeys) return;
  const $ = (id) => document.getElementById(id);
  const items = () => [...document.querySelectorAll('#gallery .thumbnail-item')];
  const chosen = () => document.querySelector('#gallery:not(.unmarked) .thumbnail-item.selected');
  const caption = () => document.querySelector('#caption textarea');
  let here = null;     // the thumbnail that has, or last had, the focus
  let after = '';      // where the focus goes once the chosen image is shown: 'caption', 'thumbnail' or nowhere
  let asked = 0, answered = 0, when = 0;  // presses that choose an image, those that were answered, the last one's time

  // ---- names, as Gradio's own are "Thumbnail 3 of 60"; one thumbnail is in the Tab order, arrow keys reach the others
  const set = (element, name, value) => {
    if (element.getAttribute(name) !== value) element.setAttribute(name, value);
  };
  const name = () => {
    const all = items(), kept = chosen() ?? (all.includes(here) ? here : all[0]);
    let told = [];
    try { told = JSON.parse(document.querySelector('#shown-names [data-names]')?.dataset.names ?? '[]'); }
    catch { /* not all of it has come: named when it has */ }
    all.forEach((item, at) => {
      const words = item.querySelector('.caption-label')?.textContent.trim() ?? '';
      if (told[at]) set(item, 'aria-label', words ? `${told[at]}: ${words}` : told[at]);
      set(item, 'aria-current', String(item === chosen()));
      set(item, 'tabindex', item === kept ? '0' : '-1');
    });
  };
  let waiting = 0;
  const soon = () => { waiting ||= requestAnimationFrame(() => { waiting = 0; name(); }); };
  new MutationObserver(soon).observe($('workspace'), {
    childList: true, subtree: true, characterData: true, attributes: true,
    attributeFilter: ['class', 'aria-label', 'data-names'],
  });
  soon();
  document.addEventListener('focusin', (event) => {
    const item = event.target.closest?.('#gallery .thumbnail-item');
    if (!item) return;
    if (here && here !== item) here.setAttribute('tabindex', '-1');
    here = item;
    item.setAttribute('tabindex', '0');
  });

  // ---- Enter on a thumbnail leads into its caption; a press with the mouse does not take the focus away
  document.addEventListener('click', (event) => {
    const item = event.target.closest?.('#gallery .thumbnail-item');
    if (!item && !event.target.closest?.('#previous-image, #next-image, #close-editor')) return;
    asked += 1;
    when = Date.now();
    if (event.isTrusted) after = item && event.detail === 0 ? 'caption' : '';
  }, true);
  const behind = () => answered < asked && Date.now() - when < 3000;
  const pick = (item) => { after = ''; item.focus(); item.click(); };
  const turn = (button, from) => {
    after = from;
    if (button?.offsetParent) button.click();
  };
  const inGallery = (event, item) => {
    const all = items(), at = all.indexOf(item);
    const rows = all.map((one) => one.getBoundingClientRect().top);
    const columns = rows.filter((top) => Math.abs(top - rows[0]) < 8).length;
    const to = {ArrowLeft: at - 1, ArrowRight: at + 1, ArrowUp: at - columns, ArrowDown: at + columns,
                Home: 0, End: all.length - 1}[event.key];
    if (to === undefined) return;
    event.preventDefault();
    if (event.repeat && behind()) return;
    if (all[to]) return pick(all[to]);
    if (event.key === 'ArrowLeft' && chosen()) turn($('previous-image'), 'thumbnail');
    if (event.key === 'ArrowRight' && chosen()) turn($('next-image'), 'thumbnail');
  };
  document.addEventListener('keydown', (event) => {
    const typing = event.target === caption();
    if (event.key === 'Escape' && event.target.closest?.('#editor') && (chosen() ?? here)?.isConnected) {
      event.preventDefault();
      (chosen() ?? here).focus();  // leaves the caption, which saves it
      return;
    }
    if (typing && event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      event.target.blur();
      return turn($('next-image'), 'caption');
    }
    if (event.altKey || event.shiftKey || event.metaKey || document.querySelector('dialog[open], :popover-open')) return;
    const item = event.target.closest?.('#gallery .thumbnail-item');
    if (item && !event.ctrlKey) return inGallery(event, item);
    const button = {ArrowLeft: $('previous-image'), ArrowRight: $('next-image')}[event.key];
    if (!button?.offsetParent) return;
    const field = event.target.closest?.('input, textarea, select, [contenteditable], [role=tablist], [role=slider]');
    if (field && !(event.ctrlKey && typing)) return;
    event.preventDefault();
    field?.blur();
    turn(button, field ? 'caption' : '');
  });

  // ---- what was chosen is in sight, and so is its caption
  const inSight = () => {
    const box = caption()?.getBoundingClientRect(), item = chosen(), editor = $('editor');
    const stands = getComputedStyle(editor).getPropertyValue('--stands').trim();  // style.css: beside, sheet, below
    if (!box) return;
    if (box.top < 0 || box.bottom > innerHeight) {
      (stands === 'below' ? editor : $('workspace')).scrollIntoView({block: 'start'});
    }
    if (!item || stands === 'below') return;
    const strip = document.querySelector('.strip');  // taller where its words take two lines
    if (strip) item.style.scrollMarginTop = `${strip.getBoundingClientRect().bottom + 8}px`;
    item.style.scrollMarginBottom = stands === 'sheet' ? `${editor.offsetHeight + 8}px` : '8px';
    item.scrollIntoView({block: 'nearest'});
  };
  const tellAddress = () => {
    let image = '';
    try { image = JSON.parse(document.querySelector('#seen :is(textarea, input)').value).name; }
    catch { /* none is chosen */ }
    window.sdloraAddress?.part('images', image);
  };
  window.sdloraKeys = {
    // Called when the server has answered with the chosen image; its components are drawn a moment later.
    shown: () => setTimeout(() => {
      answered += 1;
      if (behind()) return;
      answered = asked;
      name();
      inSight();
      tellAddress();
      const picture = document.querySelector('#picture img');
      if (picture && !picture.complete) picture.addEventListener('load', inSight, {once: true});
      const to = {caption: caption(), thumbnail: chosen()}[after];
      after = '';
      to?.focus({preventScroll: true});
      if (to && to === caption()) to.setSelectionRange(to.value.length, to.value.length);
    }, 50),
  };
}
