// Selected runs against each other: their curves over each other, and what differs.
"use strict";

(() => {
  const { el, say, own, runs } = mlreport;
  const AXES = ["step", "elapsed", "clock"];

  /** More curves than this are not told apart. */
  mlreport.CURVES_MAX = 8;

  /** Return when a run was at a step, by the places where it was seen. */
  function timeAt(times, step) {
    let next = times.findIndex(([at]) => at >= step);
    if (next < 0) next = times.length - 1;
    const [a, b] = [times[Math.max(0, next - 1)], times[Math.max(1, next)]];
    return a[1] + ((step - a[0]) / (b[0] - a[0])) * (b[1] - a[1]);
  }

  /** Return how a step is told on an axis: itself, seconds since the start, or a time. */
  function axisOf(axis, times) {
    if (axis === "step") return (step) => step;
    if (!times.length) return null;
    if (axis === "clock") return (step) => timeAt(times, step);
    return (step) => timeAt(times, step) - times[0][1];
  }

  /** Return values smoothed by an exponential mean that does not lean to its start. */
  function smoothed(values, weight) {
    let sum = 0;
    let share = 0;
    return values.map((value) => {
      if (value === null) return null;
      sum = sum * weight + value * (1 - weight);
      share = share * weight + (1 - weight);
      return sum / share;
    });
  }

  function pointsOf(curve, xOf, weight) {
    const middles = curve.lows.map((low, index) => {
      const high = curve.highs.length ? curve.highs[index] : low;
      return low === null || high === null ? null : low / 2 + high / 2;
    });
    const shown = weight ? smoothed(middles, weight) : middles;
    return curve.steps.map((step, index) => ({
      x: xOf(step), step, y: shown[index], raw: middles[index],
      low: curve.lows[index], high: curve.highs.length ? curve.highs[index] : curve.lows[index],
    }));
  }

  function axisText(axis) {
    if (axis === "step") return (x) => mlreport.count(Number(x.toPrecision(6)));
    if (axis === "elapsed") return (x) => mlreport.duration(x);
    return (x, span) => mlreport.moment(x).slice(span < 86400 ? 11 : 5);
  }

  /** Return an element that one chooses from; `items` are [value, text]. */
  mlreport.chooser = (label, items, value, act) => {
    const options = items.map(([key, text]) => el("option", { value: key }, text));
    const select = el("select", { onchange: () => act(select.value) }, options);
    select.value = value;
    return el("label", { class: "field" }, el("span", {}, label), select);
  };

  /** The panel. `on.view(changes)` is called for a wish, `on.pick(id, false)` and `on.close`. */
  mlreport.Compare = class {
    constructor(on) {
      this.on = on;
      this.loaded = new Map();
      this.axis = null;
      this.values = [];
      this.chart = new mlreport.Chart((points) => this.showValues(points));
      this.fields = el("div", { class: "fields" });
      this.legend = el("ul", { class: "legend" });
      this.note = el("p", { class: "note", role: "status" });
      this.subtitle = el("h3");
      this.differences = el("div", { class: "differences", tabindex: "0", role: "region", "aria-label": say("page.differences") });
      const close = { type: "button", class: "close", "aria-label": say("page.close"), onclick: () => on.close() };
      this.host = el(
        "section",
        { class: "compare", "aria-label": say("page.compare") },
        el("div", { class: "top" }, el("h2", {}, say("page.compare")), el("button", close, "×")),
        this.fields, this.chart.host, this.legend, this.note,
        this.subtitle, this.differences,
      );
    }

    /** Show these runs as the view wishes. */
    async show(rows, view) {
      this.rows = rows.slice(0, mlreport.CURVES_MAX);
      this.view = view;
      this.showDifferences();
      const asked = (this.asked = {});
      const found = await Promise.all(this.rows.map((row) => this.curvesOf(row)));
      if (asked !== this.asked) return; // another selection came meanwhile
      this.found = found;
      this.draw(rows.length);
    }

    curvesOf(row) {
      if (!this.loaded.has(row.id)) {
        const address = `${mlreport.address(row, "curves.js")}?${Math.round(row.written)}`;
        const nothing = { curves: [], times: [] };
        const found = row.drawn ? mlreport.load("curves", row.id, address).catch(() => nothing) : nothing;
        this.loaded.set(row.id, found);
      }
      return this.loaded.get(row.id);
    }

    draw(selected) {
      const names = runs.counted(this.found, (each) => each.curves.map((curve) => curve.name));
      const known = names.map(([name]) => name);
      const first = this.rows.map((row) => row.main).find((name) => known.includes(name));
      const metric = known.includes(this.view.metric) ? this.view.metric : (first ?? known[0] ?? "");
      this.showFields(names, metric);
      const without = [];
      const curves = this.rows.map((row, index) => {
        const { curves: all, times } = this.found[index];
        const curve = all.find((each) => each.name === metric);
        const xOf = axisOf(this.view.x, times);
        if (curve && !xOf) without.push(row.name);
        const points = curve && xOf ? pointsOf(curve, xOf, this.view.smooth) : [];
        return { label: row.name, number: index, points, isSmooth: this.view.smooth > 0 };
      });
      const axis = `${this.view.x} ${metric}`;
      const options = {
        isLog: this.view.log, xText: axisText(this.view.x),
        title: say("page.chart", { metric, runs: this.rows.map((row) => row.name).join(", ") }),
      };
      this.chart.show(curves, options, axis === this.axis);
      this.axis = axis;
      this.showLegend(curves);
      this.note.replaceChildren(
        [
          selected > this.rows.length && say("page.first_curves", { shown: this.rows.length, total: selected }),
          without.length && say("page.no_times", { runs: without.join(", ") }),
          this.view.x !== "step" && !without.length && say("page.times"),
        ].filter(Boolean).join(" "),
      );
    }

    showFields(names, metric) {
      const { view, on } = this;
      const focused = document.activeElement?.closest?.(".fields label")?.dataset.name;
      const log = el("input", { type: "checkbox", onchange: () => on.view({ log: log.checked }) });
      log.checked = view.log;
      const range = { type: "range", min: "0", max: "0.99", step: "0.01" };
      const smooth = el("input", { ...range, oninput: () => on.view({ smooth: Number(smooth.value) }) });
      smooth.value = view.smooth;
      const metrics = names.map(([name, count]) => [name, count < this.rows.length ? `${name} (${count})` : name]);
      const axes = AXES.map((axis) => [axis, say(`page.x_${axis}`)]);
      const fields = {
        metric: mlreport.chooser(say("page.metric"), metrics, metric, (value) => on.view({ metric: value })),
        x: mlreport.chooser(say("page.x"), axes, view.x, (value) => on.view({ x: value })),
        log: el("label", { class: "field check" }, log, el("span", {}, say("page.log"))),
        smooth: el("label", { class: "field" }, el("span", {}, say("page.smooth")), smooth),
      };
      for (const [name, field] of Object.entries(fields)) field.dataset.name = name;
      const old = this.fields.querySelector("[data-name=smooth]");
      if (focused === "smooth" && old) fields.smooth = old; // it is being drawn along
      this.fields.replaceChildren(...Object.values(fields));
      if (focused) this.fields.querySelector(`[data-name=${focused}] :is(input, select)`)?.focus();
    }

    showLegend(curves) {
      this.values = curves.map(() => el("span", { class: "value" }));
      const items = curves.map((curve, index) => {
        const row = this.rows[index];
        const remove = {
          type: "button", class: "close", "aria-label": say("page.unselect", { run: row.name }),
          onclick: () => this.on.pick(row.id, false),
        };
        const name = row.page ? el("a", { href: mlreport.address(row, "report.html") }, row.name) : row.name;
        return el(
          "li",
          {},
          el("span", { class: `swatch k${index}`, "aria-hidden": "true" }),
          el("span", { class: "name" }, name),
          this.values[index],
          el("button", remove, "×"),
        );
      });
      this.legend.replaceChildren(...items);
      this.curves = curves;
      this.showValues(curves.map(() => null));
    }

    /** Show the values under the pointer, the last ones where there is none. */
    showValues(points) {
      points.forEach((point, index) => {
        const all = this.curves?.[index]?.points ?? [];
        const shown = point ?? all.findLast((each) => each.y !== null);
        const text = shown ? `${mlreport.number(shown.raw)} @ ${mlreport.count(shown.step)}` : "–";
        this.values[index]?.replaceChildren(text);
      });
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
        const cells = values.map((value) =>
          el("td", { class: typeof value === "number" ? "n" : "" }, value === undefined ? "–" : mlreport.scalar(value)),
        );
        return el("tr", {}, el("th", { scope: "row" }, name), cells);
      });
      const head = el("tr", {}, el("th", { scope: "col" }, say("table.hparam")), heads);
      this.differences.replaceChildren(el("table", {}, el("thead", {}, head), el("tbody", {}, lines)));
    }
  };
})();
