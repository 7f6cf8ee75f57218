// The Images tab's part in the browser: captions being typed, folders dropped and opened before.
// Runs once when the page has loaded, and makes window.sdloraImages.
// told: JSON of {folder: selector of the field that holds the folder, within: what stands for a slash in names sent,
//   recent: how many folders are kept, forget: per locale the button that forgets them}.

function startImages(told) {
  if (window.sdloraImages) return;
  const {folder: FOLDER, within: WITHIN, recent: RECENT, forget: FORGET} = JSON.parse(told);

  // ---- a caption that is being typed is saved when the typing pauses, and when the page goes away: then by a request
  // that outlives the page, since Gradio's own would be broken off
  const caption = () => document.querySelector('#caption textarea');
  let pause = 0;
  const settle = () => { clearTimeout(pause); pause = 0; };
  const keep = () => { if (pause) { settle(); document.querySelector('#keep-caption')?.click(); } };
  document.addEventListener('input', (event) => {
    if (!event.isTrusted || event.target !== caption()) return;
    settle();
    pause = setTimeout(keep, 1000);
  });
  document.addEventListener('focusout', (event) => { if (event.target === caption()) settle(); });  // Gradio saves
  document.addEventListener('visibilitychange', () => { if (document.visibilityState === 'hidden') keep(); });
  const leave = () => {
    const seen = document.querySelector('#seen textarea, #seen input')?.value;
    if (!pause || !seen) return;
    settle();
    const {components, dependencies} = window.gradio_config;
    const box = components.find((c) => c.props.elem_id === 'left')?.id;
    const call = dependencies.find((d) => d.targets.some(([id]) => id === box));
    fetch('gradio_api/run/predict', {
      method: 'POST', keepalive: true, headers: {'Content-Type': 'application/json'},
      body: JSON.stringify({fn_index: call.id, data: [JSON.stringify([seen, caption().value])], session_hash: ''}),
    }).catch(() => {});
  };
  window.addEventListener('beforeunload', leave);
  window.addEventListener('pagehide', leave);

  // ---- Gradio takes files alone, by their names: a dropped or chosen folder is taken apart here, and its files sent
  // under names that hold their folders too (uploads.py reads them). Gradio keeps 200 bytes of a name.
  const shortened = (path) => {
    const parts = path.split('/').filter(Boolean), name = () => parts.join(WITHIN);
    while (parts.length > 1 && new TextEncoder().encode(name()).length > 190) parts.splice(parts.length > 2 ? 1 : 0, 1);
    return name();
  };
  const boxed = (found) => {
    const box = new DataTransfer();
    for (const {file, path} of found) {
      if (path.split('/').some((part) => part.startsWith('.'))) continue;
      box.items.add(new File([file], shortened(path), {type: file.type, lastModified: file.lastModified}));
    }
    return box;
  };
  const read = async (entry) => {
    if (entry.name.startsWith('.')) return [];
    const path = entry.fullPath;
    if (entry.isFile) return new Promise((done) => entry.file((file) => done([{file, path}]), () => done([])));
    const reader = entry.createReader(), found = [];
    for (;;) {
      const some = await new Promise((done) => reader.readEntries(done, () => done([])));
      if (!some.length) return found;
      for (const inner of some) found.push(...await read(inner));
    }
  };
  document.addEventListener('drop', async (event) => {
    const zone = event.target.closest?.('#drop') && event.target;
    const entries = [...(event.dataTransfer?.items ?? [])].map((i) => i.webkitGetAsEntry?.()).filter(Boolean);
    if (!zone || !entries.some((entry) => entry.isDirectory)) return;
    event.preventDefault();
    event.stopPropagation();
    const found = [];
    for (const entry of entries) found.push(...await read(entry));
    zone.dispatchEvent(new DragEvent('drop', {dataTransfer: boxed(found), bubbles: true, cancelable: true}));
  }, true);
  document.addEventListener('change', (event) => {
    const input = event.target;
    if (!input.webkitdirectory || ![...input.files].some((file) => file.webkitRelativePath)) return;
    event.stopPropagation();
    input.files = boxed([...input.files].map((file) => ({file, path: file.webkitRelativePath}))).files;
    input.dispatchEvent(new Event('change', {bubbles: true}));
  }, true);

  // ---- the folders opened before; what a path holds is put into textContent and a field's value alone
  const list = () => document.querySelector('#recent'), field = () => document.querySelector(FOLDER);
  const paths = () => {
    try { return JSON.parse(localStorage.getItem('sdlora-recent')).filter((path) => typeof path === 'string'); }
    catch { return []; }  // not ours: begin anew
  };
  const open = async (path) => {
    const box = field(), kind = box.tagName === 'TEXTAREA' ? HTMLTextAreaElement : HTMLInputElement;
    Object.getOwnPropertyDescriptor(kind.prototype, 'value').set.call(box, path);
    box.dispatchEvent(new Event('input', {bubbles: true}));
    await new Promise((done) => setTimeout(done, 50));  // Gradio takes the value up
    document.querySelector('#show-images').click();
  };
  const drawn = () => {
    if (!list()) return;
    list().hidden = !paths().length;
    list().querySelector('.forget').textContent = FORGET[navigator.language] ?? FORGET.en;
    list().querySelector('ul').replaceChildren(...paths().map((path) => {
      const item = document.createElement('li'), button = document.createElement('button');
      button.type = 'button';
      button.dir = 'auto';
      button.textContent = path;
      if (path === field()?.value) button.setAttribute('aria-current', 'true');
      item.append(button);
      return item;
    }));
  };
  const close = (focus) => {
    if (!list()?.open) return;
    list().open = false;
    if (focus) list().querySelector('summary').focus();
  };
  document.addEventListener('click', (event) => {
    const inside = event.target.closest?.('#recent'), button = event.target.closest?.('#recent button');
    if (!inside) return close(false);
    if (event.target.closest('summary')) return drawn();
    if (!button) return;
    close(true);
    if (button.matches('.forget')) { localStorage.removeItem('sdlora-recent'); drawn(); field()?.focus(); }
    else open(button.textContent);
  });
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && event.target.closest?.('#recent')) close(true);
  });
  document.addEventListener('focusin', (event) => { if (!event.target.closest?.('#recent')) close(false); });
  // Keeps the folder that was opened, first of the list; paths alone, in this browser alone.
  const remember = (folder) => {
    if (typeof folder !== 'string' || !folder) return;
    const kept = paths().filter((path) => path !== folder);
    localStorage.setItem('sdlora-recent', JSON.stringify([folder, ...kept].slice(0, RECENT)));
    drawn();
  };
  drawn();

  window.sdloraImages = {remember};
}
