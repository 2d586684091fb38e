// The curves of some runs over each other: one metric, over steps or time, smoothed or not.
"use strict";

(() => {
  const { el, say } = mlreport;
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

  /**
   * The curves. `on.view(changes)` is called for a wish, `on.load(row)` gives the curves of
   * a run; `on.pick(id, false)`, if there is one, leaves a run out.
   */
  mlreport.Curves = class {
    constructor(on) {
      this.on = on;
      this.loaded = new Map();
      this.axis = null;
      this.values = [];
      this.chart = new mlreport.Chart((points) => this.showValues(points));
      this.fields = el("div", { class: "fields" });
      this.legend = el("ul", { class: "keys" });
      this.note = el("p", { class: "note", role: "status" });
      this.host = el("div", { class: "curves" }, this.fields, this.chart.host, this.legend, this.note);
    }

    /** Show these runs as the view wishes. */
    async show(rows, view) {
      this.rows = rows.slice(0, mlreport.CURVES_MAX);
      this.view = view;
      const asked = (this.asked = {});
      const found = await Promise.all(this.rows.map((row) => this.curvesOf(row)));
      if (asked !== this.asked) return; // another selection came meanwhile
      this.found = found;
      this.draw(rows.length);
    }

    curvesOf(row) {
      if (!this.loaded.has(row.id)) {
        const nothing = { curves: [], times: [] };
        this.loaded.set(row.id, row.drawn ? this.on.load(row).catch(() => nothing) : nothing);
      }
      return this.loaded.get(row.id);
    }

    /** Return [metric, runs that have it], in the order of the first run. */
    names() {
      const found = new Map();
      for (const { curves } of this.found) {
        for (const { name } of curves) found.set(name, (found.get(name) ?? 0) + 1);
      }
      return [...found];
    }

    draw(selected) {
      const names = this.names();
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
          this.on.pick && el("button", remove, "×"),
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
  };
})();
