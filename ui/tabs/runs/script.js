// A run that has ended rings: a mark in the title until somebody looks, a notification and a sound by choice.
// Runs once when the page has loaded. It asks the server by itself, for the page's timer sleeps while it is hidden.

function startRing() {
  if (window.sdloraRing) return;
  window.sdloraRing = true;
  const LIVE = ['starting', 'loading', 'running', 'pausing', 'paused', 'stopping'];
  const chosen = (what) => localStorage.getItem(`sdlora-ring-${what}`) === 'on';
  const able = 'Notification' in window && window.isSecureContext;
  const watched = new Set();  // folders of runs that were seen training
  let mark = '', sound = null;

  // ---- the title: Gradio sets it once
  const title = () => {
    const plain = document.title.replace(/^✓ .* — /, '');
    const wanted = mark ? `✓ ${mark} — ${plain}` : plain;
    if (document.title !== wanted) document.title = wanted;
  };
  const seen = () => { if (document.visibilityState === 'visible' && document.hasFocus()) { mark = ''; title(); } };
  for (const event of ['focus', 'pointerdown', 'keydown']) window.addEventListener(event, seen);
  document.addEventListener('visibilitychange', seen);

  // ---- two tones, made here: nothing is fetched. Browsers allow it after a first click on the page.
  const play = () => {
    const Context = window.AudioContext ?? window.webkitAudioContext;
    if (!Context) return;
    sound ??= new Context();
    sound.resume?.();
    [[660, 0], [880, 0.18]].forEach(([pitch, after]) => {
      const tone = sound.createOscillator(), volume = sound.createGain(), at = sound.currentTime + after;
      tone.frequency.value = pitch;
      volume.gain.setValueAtTime(0.0001, at);
      volume.gain.exponentialRampToValueAtTime(0.2, at + 0.02);
      volume.gain.exponentialRampToValueAtTime(0.0001, at + 0.5);
      tone.connect(volume).connect(sound.destination);
      tone.start(at);
      tone.stop(at + 0.5);
    });
  };

  const ring = (folder, name, state) => {
    const said = document.querySelector(`#ring [data-ring-state="${CSS.escape(state)}"]`)?.textContent ?? '';
    const words = `${name} ${said}`.trim();
    mark = words;
    title();
    if (chosen('sound')) play();
    if (chosen('note') && able && Notification.permission === 'granted') {
      const note = new Notification(words, {tag: folder});
      note.addEventListener('click', () => { window.focus(); note.close(); });
    }
  };

  const look = async () => {
    try {
      const query = [...watched].slice(-20).map((run) => `run=${encodeURIComponent(run)}`).join('&');
      const answer = await fetch(`runs/states?${query}`, {cache: 'no-store', signal: AbortSignal.timeout(4000)});
      const {runs} = answer.ok ? await answer.json() : {runs: {}};
      for (const [folder, [name, state]] of Object.entries(runs)) {
        if (LIVE.includes(state)) watched.add(folder);
        else if (watched.delete(folder) && state !== 'waiting') ring(folder, name, state);
      }
    } catch { /* the server is gone: the page says so elsewhere */ }
    setTimeout(look, 5000);
  };
  look();

  // ---- the choice
  const show = () => {
    for (const input of document.querySelectorAll('[data-ring]')) {
      input.checked = chosen(input.dataset.ring) && (input.dataset.ring !== 'note' || able && Notification.permission === 'granted');
    }
  };
  document.addEventListener('change', async (event) => {
    const what = event.target.dataset?.ring;
    if (!what) return;
    let on = event.target.checked;
    if (on && what === 'note') on = able && await Notification.requestPermission() === 'granted';
    document.querySelector('[data-ring-refused]').hidden = on || what !== 'note' || !event.target.checked;
    event.target.checked = on;
    localStorage.setItem(`sdlora-ring-${what}`, on ? 'on' : 'off');
    if (on && what === 'sound') play();
  });
  new MutationObserver(show).observe(document.getElementById('ring') ?? document.body, {childList: true, subtree: true});
  show();
}
