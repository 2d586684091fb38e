// The page over all runs: loads the data, keeps the view, and puts the parts together.
"use strict";

(() => {
  const { el, say, runs } = mlreport;
  const KEPT = `mlreport ${location.pathname}`;
  const HPARAMS_SHOWN = 2; // of those that vary, until the reader chooses

  const EMPTY = {
    q: "", status: [], group: "", tag: "", sort: "", cols: null, sel: [], open: true,
    metric: "", x: "step", log: false, smooth: 0,
  };

  // -- the view, in the address and in the browser --------------------------------------

  function asText(view) {
    const found = new URLSearchParams();
    for (const [key, value] of Object.entries(view)) {
      if (JSON.stringify(value) === JSON.stringify(EMPTY[key])) continue;
      // Names may hold commas, so each column is a parameter of its own.
      if (key === "cols") for (const name of value.length ? value : [""]) found.append("col", name);
      else found.set(key, Array.isArray(value) ? value.join(" ") : String(value));
    }
    return found.toString();
  }

  function fromText(text) {
    const given = new URLSearchParams(text);
    const view = { ...EMPTY };
    for (const [key, usual] of Object.entries(EMPTY)) {
      const value = given.get(key);
      if (value === null) continue;
      if (Array.isArray(usual)) view[key] = value.split(" ").filter(Boolean);
      else if (typeof usual === "boolean") view[key] = value === "true";
      else if (typeof usual === "number") view[key] = Math.min(0.99, Math.max(0, Number(value) || 0));
      else if (typeof usual === "string") view[key] = value;
    }
    if (given.has("col")) view.cols = given.getAll("col").filter(Boolean);
    if (!["step", "elapsed", "clock"].includes(view.x)) view.x = "step";
    return view;
  }

  /** Keep the view without its selection; a browser may refuse, as for files. */
  function remember(view) {
    try {
      localStorage.setItem(KEPT, asText({ ...view, sel: [], open: true }));
    } catch {
      // The address has it all the same.
    }
  }

  function remembered() {
    try {
      return localStorage.getItem(KEPT) ?? "";
    } catch {
      return "";
    }
  }

  // -- the page ---------------------------------------------------------------------------

  class Page {
    constructor(rows, failed) {
      this.rows = rows;
      this.byId = new Map(rows.map((row) => [row.id, row]));
      this.view = fromText(location.hash.slice(1) || remembered());
      this.table = new mlreport.Table({
        sort: (key) => this.sortBy(key),
        pick: (id, isPicked) => this.pick(id, isPicked),
      });
      this.compare = new mlreport.Compare({
        view: (changes) => this.change(changes),
        pick: (id, isPicked) => this.pick(id, isPicked),
        close: () => this.change({ open: false }),
      });
      this.build(failed);
      window.addEventListener("hashchange", () => this.follow());
      document.addEventListener("keydown", (event) => this.pressed(event));
      this.show();
    }

    build(failed) {
      this.search = el("input", {
        type: "search", placeholder: say("page.search"), "aria-label": say("page.search"),
        oninput: () => this.change({ q: this.search.value }),
      });
      this.states = el("div", { class: "states", role: "group", "aria-label": say("head.status") });
      const all = (rows, valuesOf) =>
        [["", say("page.all")], ...runs.counted(rows, valuesOf).map(([value, count]) => [value, `${value} (${count})`])];
      const groups = all(this.rows, (row) => (row.group ? [row.group] : []));
      const tags = all(this.rows, (row) => row.tags);
      const chooser = (word, key, items) =>
        mlreport.chooser(say(word), items, this.view[key], (value) => this.change({ [key]: value }));
      this.group = groups.length > 2 && chooser("page.group", "group", groups);
      this.tag = tags.length > 1 && chooser("page.tag", "tag", tags);
      this.order = el("div", { class: "order" });
      this.columns = el("details", { class: "menu" }, el("summary", {}, say("page.columns")), this.columnBoxes());
      this.open = el("button", { type: "button", class: "strong", onclick: () => this.change({ open: true }) });
      this.clear = el("button", { type: "button", onclick: () => this.reset() }, say("page.reset"));
      this.count = el("span", { class: "count", role: "status" });
      const bar = el(
        "div",
        { class: "bar", role: "search" },
        this.search, this.states, this.group, this.tag, this.order, this.columns, this.clear, this.open, this.count,
      );
      const missing = failed && el("p", { class: "note bad" }, say("page.not_loaded", { count: failed }));
      this.none = el("p", { class: "none" }, say("page.none"));
      const main = document.querySelector("main");
      const work = el("div", { class: "work" }, el("div", { class: "list" }, this.none, this.table.host), this.compare.host);
      main.replaceChildren(main.querySelector("h1"), bar, missing || "", work);
      document.documentElement.classList.add("js");
    }

    /** Return a box for each column that may be shown, those of a kind together. */
    columnBoxes() {
      const metrics = runs.counted(this.rows, (row) => Object.keys(row.metrics)).map(([name]) => name);
      const bests = new Set(
        this.rows.flatMap((row) => Object.keys(row.metrics).filter((name) => row.metrics[name][1] !== null)),
      );
      const keys = {
        "page.general": ["group", "main", "progress", "step", "started", "written", "reported"],
        "page.hparams": this.varying().map((name) => `h:${name}`),
        "page.metrics": metrics.flatMap((name) => [`m:${name}`, ...(bests.has(name) ? [`b:${name}`] : [])]),
      };
      this.boxes = new Map();
      const parts = Object.entries(keys).filter(([, each]) => each.length).map(([word, each]) =>
        el("fieldset", {}, el("legend", {}, say(word)), each.map((key) => this.columnBox(key))),
      );
      return el("div", { class: "boxes" }, parts);
    }

    columnBox(key) {
      const box = el("input", { type: "checkbox", onchange: () => this.chooseColumn(key, box.checked) });
      this.boxes.set(key, box);
      return el("label", {}, box, el("span", {}, runs.columnOf(key).label));
    }

    varying() {
      this.known ??= this.rows.length > 1 ? runs.varying(this.rows) : [];
      return this.known;
    }

    shownColumns() {
      const usual = ["main", "progress", ...this.varying().slice(0, HPARAMS_SHOWN).map((name) => `h:${name}`), "written"];
      return (this.view.cols ?? usual).filter((key) => runs.columnOf(key));
    }

    chooseColumn(key, isShown) {
      const shown = this.shownColumns().filter((each) => each !== key);
      const order = [...this.boxes.keys()];
      const cols = isShown ? [...shown, key] : shown;
      this.change({ cols: cols.sort((a, b) => order.indexOf(a) - order.indexOf(b)) });
    }

    sortBy(key) {
      const next = { [key]: `-${key}`, [`-${key}`]: "" };
      this.change({ sort: Object.hasOwn(next, this.view.sort) ? next[this.view.sort] : key });
    }

    pick(id, isPicked) {
      const others = this.view.sel.filter((each) => each !== id);
      this.change({ sel: isPicked ? [...others, id] : others, open: this.view.open || !this.view.sel.length });
    }

    reset() {
      this.change({ ...EMPTY, sel: this.view.sel, open: this.view.open });
    }

    /** Change the view, and have address and browser keep it. */
    change(changes) {
      this.view = { ...this.view, ...changes };
      const text = asText(this.view);
      try {
        history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
      } catch {
        // Too often, or not for files: the page works all the same.
      }
      remember(this.view);
      this.show();
    }

    follow() {
      this.view = fromText(location.hash.slice(1));
      this.show();
    }

    pressed(event) {
      const isTyping = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
      if (event.key === "/" && !isTyping) {
        event.preventDefault();
        this.search.focus();
      } else if (event.key === "Escape") {
        if (this.columns.open) this.columns.open = false;
        else if (this.isComparing()) this.change({ open: false });
      }
    }

    picked() {
      return this.view.sel.map((id) => this.byId.get(id)).filter(Boolean);
    }

    isComparing() {
      return this.view.open && this.picked().length > 0;
    }

    show() {
      const { view } = this;
      const found = runs.fitting(this.rows, view, true);
      const fits = view.status.length ? found.filter((row) => view.status.includes(row.status)) : found;
      const columns = this.shownColumns().map(runs.columnOf);
      this.showBar(found, fits.length, columns);
      const picked = this.picked();
      document.documentElement.classList.toggle("comparing", this.isComparing());
      this.table.show(runs.sorted(fits, view.sort), columns, view.sort, view.sel);
      if (this.isComparing()) this.compare.show(picked, view);
    }

    showBar(found, count, columns) {
      const { view } = this;
      if (this.search.value !== view.q) this.search.value = view.q;
      for (const [part, key] of [[this.group, "group"], [this.tag, "tag"]]) {
        if (part) part.querySelector("select").value = view[key];
      }
      const shown = columns.map((column) => column.key);
      for (const [key, box] of this.boxes) box.checked = shown.includes(key);
      this.showStates(found);
      this.showOrder(columns);
      const picked = this.picked().length;
      this.open.replaceChildren(say("page.compare_count", { count: picked }));
      this.open.hidden = !picked || view.open;
      this.clear.hidden = asText({ ...view, sel: [], open: true }) === "";
      this.none.hidden = count > 0;
      const fields = { shown: mlreport.count(count), total: mlreport.count(this.rows.length) };
      this.count.replaceChildren(say("page.count", fields));
    }

    showStates(found) {
      const counts = new Map(runs.counted(found, (row) => (row.status ? [row.status] : [])));
      for (const status of this.view.status) if (!counts.has(status)) counts.set(status, 0);
      const buttons = [...counts].map(([status, count]) => {
        const isOn = this.view.status.includes(status);
        const others = this.view.status.filter((each) => each !== status);
        const attributes = {
          type: "button", class: `chip s-${status}`, "aria-pressed": String(isOn), "data-status": status,
          onclick: () => this.change({ status: isOn ? others : [...others, status] }),
        };
        return el("button", attributes, say(`status.${status}`), el("small", {}, ` ${mlreport.count(count)}`));
      });
      const focused = document.activeElement?.dataset?.status;
      this.states.replaceChildren(...buttons);
      if (focused) this.states.querySelector(`[data-status="${CSS.escape(focused)}"]`)?.focus();
    }

    /** Show the order as a list: a phone has no heads to press. */
    showOrder(columns) {
      const keys = ["run", "status", ...columns.map((column) => column.key)];
      const items = keys.flatMap((key) => {
        const label = runs.columnOf(key).label;
        return [[key, `${label} ▲`], [`-${key}`, `${label} ▼`]];
      });
      const usual = ["", say("page.attention")];
      if (this.order.contains(document.activeElement)) return;
      this.order.replaceChildren(
        mlreport.chooser(say("page.sort"), [usual, ...items], this.view.sort, (sort) => this.change({ sort })),
      );
    }
  }

  async function start() {
    const index = await mlreport.load("index", "");
    Object.assign(mlreport, { words: index.words, language: index.language });
    const files = index.files.map((sum, number) => [sum, number]).filter(([sum]) => sum);
    const loaded = await Promise.allSettled(
      files.map(([sum, number]) =>
        mlreport.load("runs", String(number), `data/runs-${String(number).padStart(3, "0")}.js?${sum}`),
      ),
    );
    const parts = loaded.map((each) => (each.status === "fulfilled" ? each.value : []));
    const failed = loaded.filter((each) => each.status === "rejected").length;
    mlreport.page = new Page(parts.flat().map(runs.whole), failed);
  }

  start();
})();
