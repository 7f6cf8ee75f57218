// The address says what is shown: #settings is the tab, #images/cat.png the tab and the image. Reload, back and links
// work by it. Runs once when the page has loaded, and makes window.sdloraAddress. What an address holds is only compared
// with what there is.

function startAddress() {
  if (window.sdloraAddress) return;
  const NAMES = ['images', 'settings', 'runs', 'compare'];  // as the tabs are numbered, from 1 on
  const tabs = () => [...document.querySelectorAll('#tabs [role=tablist] [role=tab]')];
  const number = (tab) => Number.parseInt(tab.textContent.trim(), 10);
  const selected = () => NAMES[number(tabs().find((tab) => tab.ariaSelected === 'true') ?? tabs()[0]) - 1];
  const read = () => {
    const [tab, ...part] = location.hash.slice(1).split('/');
    try { return [NAMES.includes(tab) ? tab : 'images', decodeURIComponent(part.join('/'))]; }
    catch { return ['images', '']; }  // no address of ours
  };
  const parts = {images: ''};
  let shown = 'images';
  const write = (how) => {
    const part = parts[shown] ? `/${encodeURIComponent(parts[shown])}` : '';
    if (`#${shown}${part}` !== (location.hash || '#images')) history[how](null, '', `#${shown}${part}`);
  };
  // The images come a moment after the page, and after their tab.
  let wanted = '', until = 0, tries = 0;
  const openWanted = () => {
    const box = document.querySelector('#open-image :is(textarea, input)');
    if (!wanted || wanted === parts.images || tries === 12 || Date.now() > until) return;
    if (!box || !document.querySelector('#shown-names [data-names]')) { setTimeout(openWanted, 150); return; }
    tries += 1;
    const kind = box.tagName === 'TEXTAREA' ? HTMLTextAreaElement : HTMLInputElement;
    for (const value of [box.value === wanted ? '' : null, wanted]) {
      if (value === null) continue;
      Object.getOwnPropertyDescriptor(kind.prototype, 'value').set.call(box, value);
      box.dispatchEvent(new Event('input', {bubbles: true}));
    }
    setTimeout(openWanted, 3000);  // a page that is not all there yet does not hear it
  };
  const openImage = (name) => { wanted = name; until = Date.now() + 60000; tries = 0; openWanted(); };
  const follow = () => {
    const [tab, part] = read();
    if (tab !== shown) tabs().find((one) => number(one) === NAMES.indexOf(tab) + 1)?.click();
    if (tab === 'images') openImage(part);
  };
  window.sdloraAddress = {
    // What of a tab is shown: "cat.png" of the images; "" for nothing.
    part: (tab, name) => { parts[tab] = name; if (name) wanted = ''; if (tab === shown) write('replaceState'); },
  };

  const [first, image] = read();
  const watch = new MutationObserver(() => {
    const now = selected();
    if (!now || now === shown) return;
    const known = read()[0] === now;  // the address led here, or the back button: it names its image before that is open
    shown = now;
    if (!known) write('pushState');
  });
  watch.observe(document.querySelector('#tabs [role=tablist]'), {
    subtree: true, childList: true, attributes: true, attributeFilter: ['aria-selected'],
  });
  shown = selected() ?? 'images';
  if (first !== shown) tabs().find((one) => number(one) === NAMES.indexOf(first) + 1)?.click();
  if (image) openImage(image);
  window.addEventListener('popstate', follow);
}
