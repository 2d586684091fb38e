// A table of which only the rows in sight are elements: 10,000 runs scroll as 10 do.
"use strict";

(() => {
  const { el, svg, say, runs } = mlreport;
  const LEVELS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
  const WIDTH = 96;
  const HEIGHT = 24;
  const MORE = 8; // rows beyond the sight, for those who scroll with the keyboard

  /** Return the small picture of a course, or nothing. */
  function sparkline(spark) {
    if (!spark) return null;
    const places = [...spark].map((letter, index) => {
      const level = LEVELS.indexOf(letter);
      if (level < 0) return null;
      const x = 1 + (index * (WIDTH - 2)) / Math.max(1, spark.length - 1);
      return `${x.toFixed(1)} ${(HEIGHT - 2 - (level * (HEIGHT - 4)) / 63).toFixed(1)}`;
    });
    const path = places
      .map((place, index) => place && `${index && places[index - 1] ? "L" : "M"}${place}`)
      .filter(Boolean)
      .join("");
    const frame = { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" };
    return svg("svg", frame, svg("path", { d: path }));
  }

  /** Return the address of a file of a run. */
  mlreport.address = (row, name) => `reports/${encodeURIComponent(row.slug)}/${name}`;

  function nameCell(row) {
    const cut = row.name.lastIndexOf("/") + 1;
    const name = [
      cut > 0 && el("span", { class: "above" }, row.name.slice(0, cut)),
      el("span", { class: "last" }, row.name.slice(cut)),
    ];
    const link = row.page
      ? el("a", { href: mlreport.address(row, "report.html"), title: row.name }, name)
      : el("span", { title: row.name }, name);
    const alerts = row.alerts.length;
    const told = row.alerts[0] ?? row.headline;
    const mark = el("span", { class: "mark" }, say("page.alerts", { count: alerts }));
    return el(
      "th",
      { scope: "row", class: "run" },
      el("div", { class: "name" }, link),
      el("div", { class: alerts ? "told bad" : "told", title: told }, alerts > 1 && mark, told),
    );
  }

  function mainCell(row) {
    const value = mlreport.number(runs.mainOf(row)?.[0]);
    return el(
      "td",
      { class: "main" },
      row.main && el("span", { class: "label", title: row.main }, row.main),
      el("span", { class: "value" }, value),
      sparkline(row.spark),
    );
  }

  function timeCell(key, seconds) {
    const age = seconds ? Math.max(0, Date.now() / 1000 - seconds) : null;
    const text = age === null ? "" : say("page.ago", { age: mlreport.duration(age) });
    return el("td", { class: `n ${key}`, title: mlreport.moment(seconds) }, text);
  }

  const CELLS = {
    main: mainCell,
    written: (row) => timeCell("written", row.written || row.reported),
    started: (row) => timeCell("started", row.started),
    reported: (row) => timeCell("reported", row.reported),
    progress: (row) =>
      el("td", { class: "n" }, row.progress === null ? "" : `${Math.round(100 * row.progress)} %`),
    step: (row) => el("td", { class: "n" }, mlreport.count(row.step)),
  };

  function cell(row, column) {
    if (Object.hasOwn(CELLS, column.key)) return CELLS[column.key](row);
    const value = column.value(row);
    const text = column.isNumber ? mlreport.number(value) : mlreport.scalar(value);
    const isRight = column.isNumber || typeof value === "number";
    return el("td", { class: isRight ? "n" : "", title: text }, text);
  }

  /**
   * The table.
   *
   * `on.sort(key)` is called for a head, `on.pick(id, isPicked)` for a box of a row.
   */
  mlreport.Table = class {
    constructor(on) {
      this.on = on;
      this.rows = [];
      this.live = new Map();
      this.head = el("tr");
      this.body = el("tbody");
      this.columnGroup = el("colgroup");
      this.above = el("tr", { class: "space", "aria-hidden": "true" }, el("td"));
      this.below = el("tr", { class: "space", "aria-hidden": "true" }, el("td"));
      this.table = el(
        "table",
        { class: "runs", role: "table", "aria-label": say("page.runs") },
        this.columnGroup,
        el("thead", { role: "rowgroup" }, this.head),
        this.body,
      );
      this.body.setAttribute("role", "rowgroup");
      this.host = el(
        "div",
        { class: "scroller", tabindex: "0", role: "region", "aria-label": say("page.runs") },
        this.table,
      );
      let asked = false;
      const later = () => {
        if (asked) return;
        asked = true;
        requestAnimationFrame(() => {
          asked = false;
          this.draw();
        });
      };
      this.host.addEventListener("scroll", later, { passive: true });
      new ResizeObserver(later).observe(this.host);
    }

    /** Show these rows; `picked` has the ids of those that are selected. */
    show(rows, columns, sort, picked) {
      const focused = document.activeElement?.closest?.("[data-focus]")?.dataset.focus;
      const isRight = (column) =>
        column.isNumber || typeof rows.map(column.value).find((value) => value !== undefined) === "number";
      columns = columns.map((column) => ({ ...column, isRight: column.key !== "main" && isRight(column) }));
      Object.assign(this, { rows, columns, picked });
      this.showHead(sort);
      for (const row of this.live.values()) row.remove();
      this.live.clear();
      this.body.replaceChildren(this.above, this.below);
      this.table.setAttribute("aria-rowcount", rows.length + 1);
      this.draw();
      if (focused) this.host.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
    }

    showHead(sort) {
      const heads = [{ key: "run", label: say("head.run") }, { key: "status", label: say("head.status") }];
      const all = [...heads, ...this.columns];
      this.columnGroup.replaceChildren(
        ...["pick", ...all.map((column) => column.key)].map((key) => el("col", { class: `c-${key}` })),
      );
      this.head.setAttribute("role", "row");
      this.head.replaceChildren(
        el("th", { class: "pick", role: "columnheader" }, el("span", { class: "hidden" }, say("page.select"))),
        ...all.map((column) => this.headCell(column, sort)),
      );
    }

    headCell(column, sort) {
      const isSorted = sort === column.key || sort === `-${column.key}`;
      const way = !isSorted ? "none" : sort === column.key ? "ascending" : "descending";
      const button = el(
        "button",
        {
          type: "button", title: column.label, "data-focus": `head ${column.key}`,
          onclick: () => this.on.sort(column.key),
        },
        el("span", {}, column.label),
        isSorted && el("span", { "aria-hidden": "true" }, way === "ascending" ? " ▲" : " ▼"),
      );
      const kind = { scope: "col", role: "columnheader", class: column.isRight ? "n" : "" };
      return el("th", { ...kind, "aria-sort": way }, button);
    }

    /** Make elements of the rows in sight, and drop the others. */
    draw() {
      if (!this.columns) return;
      const height = parseFloat(getComputedStyle(this.host).getPropertyValue("--row"));
      const top = this.host.scrollTop;
      const first = Math.max(0, Math.floor(top / height) - MORE);
      const end = Math.min(this.rows.length, Math.ceil((top + this.host.clientHeight) / height) + MORE);
      for (const [index, row] of this.live) {
        if (index >= first && index < end) continue;
        if (row.contains(document.activeElement)) this.host.focus({ preventScroll: true });
        row.remove();
        this.live.delete(index);
      }
      this.above.firstChild.style.height = `${first * height}px`;
      this.below.firstChild.style.height = `${Math.max(0, this.rows.length - end) * height}px`;
      let next = this.below;
      for (let index = end - 1; index >= first; index--) {
        if (!this.live.has(index)) {
          this.live.set(index, this.row(this.rows[index], index));
          next.before(this.live.get(index));
        }
        next = this.live.get(index);
      }
    }

    row(row, index) {
      const isPicked = this.picked.includes(row.id);
      const box = el("input", {
        type: "checkbox", "aria-label": say("page.select_run", { run: row.name }),
        "data-focus": `pick ${row.id}`,
        onchange: (event) => this.on.pick(row.id, event.target.checked),
      });
      box.checked = isPicked;
      const status = row.status ? say(`status.${row.status}`) : "";
      const cells = [
        el("td", { class: "pick" }, el("label", {}, box)),
        nameCell(row),
        el("td", { class: `status s-${row.status}` }, status),
        ...this.columns.map((column) => cell(row, column)),
      ];
      for (const each of cells) each.setAttribute("role", each.tagName === "TH" ? "rowheader" : "cell");
      const classes = [isPicked && "picked", row.alerts.length && "alert"].filter(Boolean).join(" ");
      return el("tr", { class: classes, role: "row", "aria-rowindex": index + 2 }, cells);
    }
  };
})();
