// What the browser does by itself: large pictures, keys, the question before a stop, a server that is gone.
// Runs once when the page has loaded. Texts of runs go through textContent and setAttribute alone.

function startPage() {
  if (window.sdloraPage) return;
  window.sdloraPage = true;
  const $ = (id) => document.getElementById(id);
  const box = () => $('lightbox');
  let at = null;

  // Screen readers speak what changes inside a region that stays; Gradio puts in new elements each time.
  const region = document.querySelector('#announce .html-container');
  for (const [name, value] of [['role', 'status'], ['aria-live', 'polite']]) region?.setAttribute(name, value);

  const language = $('language');
  if (language) {
    language.options[0].textContent = $('language-none').textContent;
    language.value = window.sdloraLanguage?.chosen ?? '';
  }

  // ---- one picture large, a slider over the first of its row
  const cells = (table, row) => [...(table.querySelectorAll('tr.pictures')[row]?.querySelectorAll('.cell') ?? [])];
  const show = () => {
    const table = $(at.section)?.querySelector('table');
    const row = table ? cells(table, at.row) : [];
    if (!row.length) { box().close(); return; }
    at.column = Math.max(0, Math.min(at.column, row.length - 1));
    const cell = row[at.column], first = row[0], pair = first !== cell;
    $('lightbox-prompt').textContent = cell.dataset.prompt;
    $('lightbox-title').textContent = cell.dataset.title;
    $('lightbox-now').src = cell.dataset.large;
    $('lightbox-now').alt = cell.querySelector('img').alt;
    $('lightbox-first').src = first.dataset.large;
    $('lightbox-first').alt = pair ? first.querySelector('img').alt : '';
    $('lightbox-left').textContent = first.dataset.title;
    $('lightbox-right').textContent = cell.dataset.title;
    box().classList.toggle('single', !pair);
    slide();
    box().querySelector('[data-go="-1"]').disabled = at.column === 0;
    box().querySelector('[data-go="1"]').disabled = at.column === row.length - 1;
  };
  const slide = () => box().style.setProperty('--cut', `${$('lightbox-slider').value}%`);
  const go = (columns, rows) => {
    const table = $(at.section)?.querySelector('table');
    const count = table?.querySelectorAll('tr.pictures').length ?? 0;
    at.row = Math.max(0, Math.min(at.row + rows, count - 1));
    at.column += columns;
    show();
  };

  // ---- the question before a stop
  const askStop = () => { $('ask-stop').showModal(); };

  document.addEventListener('click', (event) => {
    const target = event.target;
    const cell = target.closest('.cell');
    if (cell) {
      const row = cell.closest('tr'), table = cell.closest('table');
      const section = table.closest('.html-container')?.parentElement?.closest('[id]') ?? table.closest('[id]');
      at = {section: section.id, row: [...table.querySelectorAll('tr.pictures')].indexOf(row),
            column: [...row.querySelectorAll('.cell')].indexOf(cell)};
      $('lightbox-slider').value = 0;
      show();
      box().showModal();
      return;
    }
    if (target.closest('[data-close]') || target === box()) target.closest('dialog')?.close();
    const step = target.closest('[data-go]');
    if (step) go(Number(step.dataset.go), 0);
    if (target.closest('#stop')) askStop();
    if (target.closest('[data-stop]')) { $('ask-stop').close(); $('stop-now')?.click(); }
    if (target.closest('#empty-bin')) $('ask-empty').showModal();
    if (target.closest('[data-empty]')) { $('ask-empty').close(); $('empty-now')?.click(); }
    if (target.closest('#show-keys')) showKeys();
    if (target.closest('[data-tab]')) openTab(Number(target.closest('[data-tab]').dataset.tab));
    const clears = target.closest('[data-clears]');
    if (clears) {
      const fields = [...document.querySelectorAll('#tabs :is(button, input, textarea, summary)')];
      const next = fields.slice(fields.indexOf(clears) + 1).find((one) => one.offsetParent && !one.disabled);
      $(clears.dataset.clears)?.click();
      if (event.detail === 0) next?.focus();
    }
    const goto = target.closest('[data-goto]');
    if (goto) $(goto.dataset.goto)?.scrollIntoView({block: 'center'});
    const copy = target.closest('[data-copy]');
    if (copy) {
      const words = copy.textContent;
      navigator.clipboard?.writeText(copy.parentElement.querySelector('pre').textContent).then(() => {
        copy.textContent = copy.dataset.done;
        setTimeout(() => { copy.textContent = words; }, 2000);
      });
    }
  });
  document.addEventListener('input', (event) => {
    if (event.target.id === 'lightbox-slider') slide();
    if (event.target.id === 'language') window.sdloraLanguage.choose(event.target.value);
    if (event.target.id === 'keys-on') {
      localStorage.setItem('sdlora-keys', event.target.checked ? 'on' : 'off');
    }
  });

  // A browser's number box drops a decimal comma: 0,7 would become 7.
  document.addEventListener('beforeinput', (event) => {
    if (event.target.type !== 'number' || !event.data?.includes(',')) return;
    event.preventDefault();
    document.execCommand('insertText', false, event.data.replace(',', '.'));
  });

  // ---- keys
  const allowed = () => localStorage.getItem('sdlora-keys') !== 'off';
  const showKeys = () => { $('keys-on').checked = allowed(); $('keys').showModal(); };
  const tabs = () => [...document.querySelectorAll('#tabs [role=tablist] [role=tab]')];
  const openTab = (number) => {
    tabs().find((tab) => tab.textContent.trim().startsWith(`${number}`))?.click();
  };
  document.addEventListener('keydown', (event) => {
    if (box()?.open && !event.target.closest('input')) {
      const way = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
      if (way) { event.preventDefault(); event.stopPropagation(); go(...way); }
      return;
    }
    if (document.querySelector('dialog[open]')) return;
    if ((event.ctrlKey || event.metaKey) && event.key === 'Enter') {
      const start = $('start');
      if (start?.offsetParent && !start.disabled) start.click();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const field = event.target.closest('input, textarea, select, [contenteditable], [role=combobox]');
    if (field && !field.closest('dialog:not([open])')) return; // a closed dialog keeps the focus until the next frame
    if (!allowed() && event.key !== '?') return;
    if (/^[1-4]$/.test(event.key)) openTab(Number(event.key));
    else if (event.key.toLowerCase() === 's') { if (!$('sample')?.disabled) $('sample')?.click(); }
    else if (event.key === '?') showKeys();
    else if (event.key === '/') {
      openTab(2);
      setTimeout(() => document.querySelector('#settings-search input, #settings-search textarea')?.focus(), 150);
    } else return;
    event.preventDefault();
  }, true);

  // The plot's drawing has unnamed parts; its title and the figures on the run's card say it in words.
  setInterval(() => {
    document.querySelectorAll('#curve svg:not([aria-hidden])').forEach((s) => s.setAttribute('aria-hidden', 'true'));
  }, 1000);

  // ---- is the server there? A slow answer is no reason to load the page again; another server, or a long gap, is.
  let serving = null, missing = null;
  const look = async () => {
    if (document.visibilityState === 'visible') {
      let answer = null;
      try {
        const response = await fetch('gradio_api/app_id', {cache: 'no-store', signal: AbortSignal.timeout(4000)});
        if (response.ok) answer = await response.text();
      } catch { /* gone, or too busy: shown below */ }
      const gap = missing === null ? 0 : Date.now() - missing;
      if (answer !== null && (gap > 30000 || (serving !== null && answer !== serving))) { location.reload(); return; }
      serving = answer ?? serving;
      missing = answer === null ? missing ?? Date.now() : null;
      document.body.classList.toggle('offline', missing !== null);
      if ($('offline')) $('offline').hidden = missing === null;
    }
    setTimeout(look, missing === null ? 5000 : 1500);
  };
  look();
}
