// Before the page is built: the language that the person has chosen here stands in for the browser's own. Gradio, the
// page's scripts and, by the cookie, the server read it. Nothing is chosen: the browser decides.

(() => {
  const KEY = 'sdlora-language';
  let chosen = null;
  try { chosen = localStorage.getItem(KEY); } catch { /* storage is off: the browser decides */ }
  const known = ['en', 'zh-CN'].includes(chosen);
  document.cookie = `${KEY}=${known ? chosen : ''}; path=/; SameSite=Strict; max-age=${known ? 31536000 : 0}`;
  if (known) {
    Object.defineProperty(navigator, 'language', {get: () => chosen});
    Object.defineProperty(navigator, 'languages', {get: () => [chosen]});
  }
  document.documentElement.lang = navigator.language;
  window.sdloraLanguage = {
    chosen: known ? chosen : '',
    choose: (language) => {
      if (language) localStorage.setItem(KEY, language); else localStorage.removeItem(KEY);
      location.reload();
    },
  };
})();
