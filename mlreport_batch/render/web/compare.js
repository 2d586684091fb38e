// Selected runs against each other: their curves, and what differs between them.
"use strict";

(() => {
  const { el, say, own, runs } = mlreport;

  /** Load the curves of a run; their address is another one once it has written. */
  function load(row) {
    const address = `${mlreport.address(row, "curves.js")}?${Math.round(row.written)}`;
    return mlreport.load("curves", row.id, address);
  }

  /** The panel. `on.view(changes)` is called for a wish, `on.pick(id, false)` and `on.close`. */
  mlreport.Compare = class {
    constructor(on) {
      this.curves = new mlreport.Curves({ ...on, load });
      this.subtitle = el("h3");
      const region = { class: "differences", tabindex: "0", role: "region" };
      this.differences = el("div", { ...region, "aria-label": say("page.differences") });
      const close = { type: "button", class: "close", "aria-label": say("page.close"), onclick: () => on.close() };
      this.host = el(
        "section",
        { class: "compare", "aria-label": say("page.compare") },
        el("div", { class: "top" }, el("h2", {}, say("page.compare")), el("button", close, "×")),
        this.curves.host, this.subtitle, this.differences,
      );
    }

    /** Show these runs as the view wishes. */
    show(rows, view) {
      this.rows = rows.slice(0, mlreport.CURVES_MAX);
      this.showDifferences();
      this.curves.show(rows, view);
    }

    showDifferences() {
      const names = this.rows.length > 1 ? runs.varying(this.rows) : Object.keys(this.rows[0]?.hparams ?? {});
      this.subtitle.replaceChildren(say(this.rows.length > 1 ? "page.differences" : "part.hparams"));
      if (!names.length) {
        this.differences.replaceChildren(el("p", { class: "note" }, say("page.no_differences")));
        return;
      }
      const heads = this.rows.map((row, index) =>
        el("th", { scope: "col", title: row.name }, el("span", { class: `swatch k${index}` }), row.name.split("/").at(-1)),
      );
      const lines = names.map((name) => {
        const values = this.rows.map((row) => own(row.hparams, name));
        const cells = mlreport.briefly(values).map((text, at) => {
          const value = values[at];
          return el("td", { class: typeof value === "number" ? "n" : "", title: mlreport.scalar(value) }, value === undefined ? "–" : text);
        });
        return el("tr", {}, el("th", { scope: "row" }, name), cells);
      });
      const head = el("tr", {}, el("th", { scope: "col" }, say("table.hparam")), heads);
      this.differences.replaceChildren(el("table", {}, el("thead", {}, head), el("tbody", {}, lines)));
    }
  };
})();
