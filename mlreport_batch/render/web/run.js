// The page of one run: its curves as on the page over all runs, above their pictures.
"use strict";

(() => {
  const view = { metric: "", x: "step", log: false, smooth: 0 };

  async function start() {
    const pictures = document.querySelector(".fig, .figs");
    const folder = decodeURIComponent(location.pathname).split("/").at(-2);
    const id = folder.slice(folder.lastIndexOf("-") + 1);
    const [index, found] = await Promise.all([
      mlreport.load("index", "", "../../data/index.js"),
      mlreport.load("curves", id, `curves.js?${document.lastModified.replace(/\D/g, "")}`),
    ]);
    if (!pictures || !found.curves.length) return;
    Object.assign(mlreport, { words: index.words, language: index.language });
    const row = { id, name: document.title, main: found.curves[0].name, drawn: true, page: false };
    const curves = new mlreport.Curves({
      load: async () => found,
      view: (changes) => curves.show([row], Object.assign(view, changes)),
    });
    pictures.before(curves.host);
    curves.show([row], view);
  }

  start().catch(() => undefined); // the pictures say the same
})();
