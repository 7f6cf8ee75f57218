// The Settings form's part in the browser: which fields show, marks beside them, live sums, files.
// Runs once when the page has loaded, and makes window.sdloraForm.
// told: JSON of {fields: what is to be known of each setting, in the order in which update gets their values,
//   words: per locale the sentences that are written here}.
// What a person typed is put into textContent and fields' values alone.

function startForm(told) {
  if (window.sdloraForm) return;
  const {fields: FIELDS, words: WORDS} = JSON.parse(told);
  const BYTES = {fp16: 2, bf16: 2, fp32: 4};
  const state = window.sdloraForm = {values: null, all: localStorage.getItem('sdlora-all') === '1', search: ''};
  let facts = {problems: {}, sizes: {}, family: '', usual: {}}, factsText = '', waiting = 0, drawing = 0;
  const $ = (id) => document.getElementById(id);
  const word = (name) => (WORDS[navigator.language] ?? WORDS.en)[name];
  const plain = (value) => value === null || value === undefined ? '' : String(value).trim();
  // A number as ``sdlora.settings.numbers.plain_number`` reads it: with a decimal comma, with signs between thousands.
  const tidy = (typed, whole) => {
    const said = plain(typed).normalize('NFKC').replace(/\u2212/g, '-').replace(/\u2019/g, "'");
    for (const [sign, rest] of [[',', '.'], ['.', ','], [' ', '.,'], ["'", '.,']]) {
      const found = said.match(new RegExp(`^[+-]?\\d{1,3}(\\${sign}\\d{3})+([${rest}]\\d*)?$`));
      if (found && (whole || " '".includes(sign) || found[2] || said.split(sign).length > 2))
        return said.split(sign).join('').replace(',', '.');
    }
    return /^[+-]?(\d+[.,]?\d*|[.,]\d+)(e[+-]?\d+)?$/i.test(said) ? said.replace(',', '.') : plain(typed);
  };
  const number = (key) => Number(tidy(state.values[key], FIELDS[key].number === 'int') || NaN);
  const same = (a, b, whole) => {
    const [one, other] = [tidy(a, whole), tidy(b, whole)];
    return one === other || (one !== '' && other !== '' && Number(one) === Number(other));
  };
  const usual = (key) => facts.usual?.[key] ?? FIELDS[key].default;  // of the chosen preset, else the program's

  const holds = (name, rule) => {
    const value = name === 'base.family' ? facts.family : state.values?.[name];
    const set = Boolean(value) && plain(value) !== '0';
    if (rule === 'set') return set;
    if (rule === 'unset') return !set;
    const [kind, what] = [rule.slice(0, rule.indexOf(':')), rule.slice(rule.indexOf(':') + 1)];
    if (kind === 'is') return plain(value) === what;
    if (kind === 'not') return plain(value) !== what;
    return new RegExp(what).test(plain(value));
  };
  const applies = (field) => !field.applies.length || field.applies.some(([name, rule]) => holds(name, rule));
  // A setting may be looked for as another trainer's file or command line has it: "--network_dim=16".
  const parts = () => state.search.toLowerCase().replace(/^--/, '').replace(/\s*=.*$/, '').split(/\s+/);
  const found = (key, block) => {
    const said = [key, block.dataset.said, ...FIELDS[key].elsewhere].join(' ').toLowerCase();
    return parts().every((part) => said.includes(part));
  };
  const called = (key) => {  // the names elsewhere that the search means
    const names = FIELDS[key].elsewhere.filter((name) => parts().some((part) => name.toLowerCase().includes(part)));
    return state.search && names.length ? `${key} = ${names.join(', ')}` : key;
  };

  const put = (key, value) => {
    const block = $(FIELDS[key].id);
    const radios = [...block.querySelectorAll('input[type=radio]')];
    if (radios.length) return radios.find((r) => r.value === String(value))?.click();
    const tick = block.querySelector('input[type=checkbox]');
    if (tick) return tick.checked !== value && tick.click();
    const input = block.querySelector('textarea, input:not([type=range])');
    const kind = input.tagName === 'TEXTAREA' ? HTMLTextAreaElement : HTMLInputElement;
    Object.getOwnPropertyDescriptor(kind.prototype, 'value').set.call(input, value);
    for (const event of ['input', 'change', 'blur']) input.dispatchEvent(new Event(event, {bubbles: true}));
  };

  const dress = (key, field, block) => {
    block.dataset.said = block.textContent;
    const under = document.createElement('div');
    under.className = 'under';
    const name = document.createElement('code'), mark = document.createElement('span');
    const back = document.createElement('button'), wrong = document.createElement('p');
    name.textContent = key;
    mark.className = 'mark';
    back.type = 'button';
    back.className = 'back';
    back.addEventListener('click', () => put(key, usual(key)));
    wrong.className = 'wrong';
    wrong.id = field.id + '-wrong';
    wrong.hidden = true;
    under.append(name, mark, back);
    block.append(under, wrong);
    const input = block.querySelector('textarea, input');
    if (field.number) {
      input.inputMode = key.endsWith('.seed') ? 'text' : 'decimal';
      input.addEventListener('blur', () => {  // shows how it is read
        const said = tidy(input.value, field.number === 'int');
        if (said !== input.value && said !== '' && !isNaN(Number(said))) put(key, said);
      });
    }
    if (!field.slider) return;
    const range = document.createElement('input');
    Object.assign(range, {type: 'range', min: 0, max: field.slider.length - 1, step: 1});
    const label = block.querySelector('[data-testid=block-info]')?.textContent.trim() ?? key;
    range.setAttribute('aria-label', `${label}: ${word('FIELD_SLIDER')}`);
    range.addEventListener('input', () => put(key, field.slider[range.value]));
    under.before(range);
  };

  const slide = (key, field, block) => {
    const value = number(key);
    const range = block.querySelector('input[type=range]');
    if (!range) return;
    const gaps = field.slider.map((v) => Math.abs(Math.log(v) - Math.log(Math.max(value || 0, 1e-9))));
    const place = gaps.indexOf(Math.min(...gaps));
    if (Number(range.value) !== place) range.value = place;
    range.style.setProperty('--share', `${100 * place / (field.slider.length - 1)}%`);
    range.setAttribute('aria-valuetext', plain(state.values[key]));
  };

  const tell = (field, block, said) => {
    const wrong = block.querySelector('.wrong'), input = block.querySelector('textarea, input');
    const words = said.map((s) => s.replace(/^!/, '')).join(' ');
    if (wrong.textContent !== words) wrong.textContent = words;
    wrong.hidden = !words;
    const fatal = said.some((s) => !s.startsWith('!'));
    wrong.classList.toggle('fatal', fatal);
    block.classList.toggle('is-wrong', fatal);
    if (fatal) input?.setAttribute('aria-invalid', 'true'); else input?.removeAttribute('aria-invalid');
    if (words) input?.setAttribute('aria-describedby', wrong.id); else input?.removeAttribute('aria-describedby');
  };

  const draw = () => {
    drawing = 0;
    const root = $('settings-form');
    if (!root || !state.values) return;
    const said = $('form-facts')?.dataset.facts ?? '';
    if (said && said !== factsText) { factsText = said; facts = JSON.parse(said); }
    root.classList.toggle('all', state.all);
    const tick = document.querySelector('#all-settings input');
    if (tick && tick.checked !== state.all) tick.click();
    let shown = 0;
    for (const [key, field] of Object.entries(FIELDS)) {
      const block = $(field.id);
      if (!block) continue;
      if (!block.querySelector('.under')) dress(key, field, block);
      const value = state.values[key], problems = facts.problems[key] ?? [];
      tell(field, block, problems);
      slide(key, field, block);
      const changed = !field.own && !same(value, usual(key), field.number === 'int');
      block.classList.toggle('changed', changed);
      const back = plain(usual(key)) === '' ? word('EMPTY') : plain(usual(key));
      block.querySelector('.under code').textContent = called(key);
      block.querySelector('.mark').textContent = changed ? word('CHANGED') : '';
      block.querySelector('.back').textContent = `${word('RESET')} ${back}`;
      block.querySelector('.back').hidden = !changed;
      const wanted = state.all ? (!state.search || found(key, block)) : field.basic;
      const visible = wanted && applies(field) || problems.some((s) => !s.startsWith('!'));
      block.classList.toggle('off', !visible);
      shown += visible;
    }
    for (const group of root.querySelectorAll('.group')) {
      const fields = group.querySelector('.fields');
      if (fields) group.classList.toggle('off', !fields.querySelector('.block[id^=field-]:not(.off)'));
    }
    const nothing = $('nothing-found');
    if (nothing) nothing.textContent = shown ? '' : word('NO_SUCH_SETTING');
    sum();
  };

  const size = (bytes) => {
    const [unit, by] = bytes < 1e6 ? ['kB', 1e3] : bytes < 1e9 ? ['MB', 1e6] : ['GB', 1e9];
    return `${(bytes / by).toFixed(bytes / by >= 10 ? 0 : 1)} ${unit}`;
  };
  const sum = () => {
    const line = document.querySelector('#strength .strength'), values = state.values;
    if (!line) return;
    const rank = number('adapter.rank'), alpha = number('adapter.alpha');
    const by = values['adapter.rslora'] ? Math.sqrt(rank) : rank;
    const good = Number.isInteger(rank) && rank > 0 && alpha > 0;
    const write = (name, words) => {
      const part = line.querySelector('.' + name);
      if (!part) return;
      if (part.textContent !== words) part.textContent = words;
      part.parentElement.hidden = !words;
    };
    write('scale', good && !plain(values['adapter.start_from']) ? String(+(alpha / by).toFixed(3)) : '');
    const chosen = [values['adapter.targets'], Boolean(values['adapter.text_encoder']), values['adapter.kind']];
    const grows = facts.sizes[chosen.join(' ')];
    if (!grows || !good) { write('trainable', ''); write('bytes', ''); return; }
    const ending = grows[3].map(([end, slope, most]) => (rank < end ? slope * rank : most));
    const count = ending.reduce((all, one) => all + one, grows[0] * rank + grows[1]);
    write('trainable', count.toLocaleString('en-US'));
    const beside = grows[3].reduce((all, [end, , , less]) => (rank < end ? all : all - less), grows[2]);
    write('bytes', size(count * BYTES[values['save.dtype']] + beside));
  };

  const soon = () => { drawing ||= requestAnimationFrame(() => {
    watcher.disconnect();
    try { draw(); } finally { watcher.observe(document.body, {childList: true, subtree: true}); }
  }); };
  const watcher = new MutationObserver(soon);
  watcher.observe(document.body, {childList: true, subtree: true});

  state.update = (...values) => {
    const now = Object.fromEntries(Object.keys(FIELDS).map((key, at) => [key, values[at]]));
    if (state.values && JSON.stringify(now) === JSON.stringify(state.values)) return;
    const first = state.values === null;
    state.values = now;
    soon();
    if (first) return;
    clearTimeout(waiting);
    waiting = setTimeout(() => $('check-again')?.click(), 450);
  };

  // ---- the list of base models: filtered here, closed here; the chosen one goes into its field
  const closeBases = () => { $('bases')?.classList.add('off'); };
  document.addEventListener('click', (event) => {
    const chosen = event.target.closest?.('#bases [data-base]');
    if (chosen) put('model.base', chosen.dataset.base);
    if (chosen || event.target.closest?.('[data-bases-close]')) {
      closeBases();
      $(FIELDS['model.base'].id)?.querySelector('textarea, input')?.focus();
    }
    if (event.target.closest?.('#find-bases')) $('bases')?.classList.remove('off');
  });
  document.addEventListener('keydown', (event) => {
    const there = event.target === document.body || event.target.closest?.('#bases, #bases-more');
    if (event.key !== 'Escape' || !there || !document.querySelector('#bases .bases')?.offsetParent) return;
    closeBases();
    $('find-bases')?.focus();
  });
  document.addEventListener('input', (event) => {
    if (!event.target.closest?.('[data-bases-search]')) return;
    const words = event.target.value.toLowerCase().split(/\s+/);
    for (const row of document.querySelectorAll('#bases li')) {
      const said = `${row.textContent} ${row.firstChild.title}`.toLowerCase();
      row.hidden = !words.every((part) => said.includes(part));
    }
  });

  const visible = () => Boolean($('settings-form')?.offsetParent);
  document.addEventListener('change', (event) => {
    if (!event.target.closest?.('#all-settings')) return;
    state.all = event.target.checked;
    localStorage.setItem('sdlora-all', state.all ? '1' : '0');
    soon();
  });
  document.addEventListener('input', (event) => {
    if (!event.target.closest?.('#settings-search')) return;
    state.search = event.target.value.trim();
    if (state.search) state.all = true;
    soon();
  });
  const ours = (event) => visible() && [...(event.dataTransfer?.types ?? [])].includes('Files');
  document.addEventListener('dragover', (event) => { if (ours(event)) event.preventDefault(); });
  document.addEventListener('drop', (event) => {
    if (!ours(event)) return;
    event.preventDefault();
    const file = [...event.dataTransfer.files].find((f) => /\.(toml|safetensors)$/i.test(f.name));
    const input = document.querySelector('#load-box input[type=file]');
    if (!file || !input) return;
    const box = new DataTransfer();
    box.items.add(file);
    input.files = box.files;
    input.dispatchEvent(new Event('change', {bubbles: true}));
  });

  // A settings file is made here from its text, so that nothing of it has to lie on the server's disk.
  state.save = (said, name) => {
    if (!said) return;
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([said], {type: 'application/toml'}));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };
}
