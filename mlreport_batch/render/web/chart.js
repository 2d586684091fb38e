// One picture of several curves: zoom, logarithmic axis, values under the pointer.
"use strict";

(() => {
  const { el, svg, say } = mlreport;
  const EDGE = { left: 56, right: 12, top: 10, bottom: 28 };
  const DRAG_MIN = 6; // pixels; less is a click
  const ZOOM = 1.6;

  /** Return round values in a range, about `count` of them. */
  function ticks(low, high, count) {
    const rough = (high - low) / count;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((part) => part * power).find((each) => each >= rough);
    const found = [];
    for (let index = Math.ceil(low / step); index * step <= high && found.length < 50; index++) {
      found.push(index * step);
    }
    return found;
  }

  /** Return powers of ten in a range of logarithms, or round values where there are few. */
  function logTicks(low, high, count) {
    const powers = [];
    const step = Math.max(1, Math.ceil((high - low) / count));
    for (let power = Math.ceil(low); power <= high; power += step) powers.push(power);
    if (powers.length > 1) return powers;
    return ticks(10 ** low, 10 ** high, count).filter((value) => value > 0).map(Math.log10);
  }

  /** Return a range that is wider than nothing. */
  function widened([low, high]) {
    if (!(low <= high)) return [0, 1];
    if (low < high) return [low, high];
    const room = Math.abs(low) / 10 || 1;
    return [low - room, high + room];
  }

  function rangeOf(values) {
    let low = Infinity;
    let high = -Infinity;
    for (const value of values) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
    return widened([low, high]);
  }

  /** Return the index of the point of a curve that is nearest to `x`. */
  function nearest(points, x) {
    let low = 0;
    let high = points.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (points[middle].x <= x) low = middle;
      else high = middle;
    }
    return Math.abs(points[low].x - x) <= Math.abs(points[high].x - x) ? low : high;
  }

  /**
   * The picture. Each curve has `label`, `number` (of its colour) and `points`: `x`, `y`,
   * `low`, `high`, `raw`, null for nothing finite. `onValues` is called with what is under
   * the pointer: a point or null for each curve.
   */
  mlreport.Chart = class {
    constructor(onValues) {
      this.onValues = onValues;
      this.curves = [];
      this.options = { isLog: false, xText: String, title: "" };
      this.zoom = null;
      this.picture = svg("svg", {
        class: "plot", tabindex: "0", role: "img",
        ondblclick: () => this.zoomTo(null),
        onkeydown: (event) => this.pressed(event),
        onpointerdown: (event) => this.grabbed(event),
        onpointermove: (event) => this.moved(event),
        onpointerup: (event) => this.dropped(event),
        onpointercancel: () => this.letGo(),
        onpointerleave: () => this.point(null),
      });
      const button = (word, act) =>
        el("button", { type: "button", class: "small", onclick: act }, say(word));
      this.back = button("page.zoom_reset", () => this.zoomTo(null));
      this.host = el(
        "div",
        { class: "plot-box" },
        this.picture,
        el(
          "div",
          { class: "zooms" },
          button("page.zoom_in", () => this.scale(1 / ZOOM)),
          button("page.zoom_out", () => this.scale(ZOOM)),
          this.back,
          el("span", { class: "hint" }, say("page.zoom_hint")),
        ),
      );
      new ResizeObserver(() => this.draw()).observe(this.host);
    }

    /** Show these curves; `keepsZoom` is false where x means something else than before. */
    show(curves, options, keepsZoom) {
      this.curves = curves;
      this.options = options;
      if (!keepsZoom) this.zoom = null;
      this.draw();
    }

    seen(value) {
      if (value === null || (this.options.isLog && value <= 0)) return null;
      return this.options.isLog ? Math.log10(value) : value;
    }

    draw() {
      const width = this.picture.clientWidth || 320;
      const height = this.picture.clientHeight || 260;
      this.picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
      this.picture.setAttribute("aria-label", this.options.title);
      const points = this.curves.flatMap((curve) => curve.points);
      this.whole = rangeOf(points.map((point) => point.x));
      const [x0, x1] = (this.xRange = this.zoom ?? this.whole);
      const inside = points.filter((point) => point.x >= x0 && point.x <= x1);
      const heights = inside.flatMap((point) => [point.y, point.low, point.high]);
      const [y0, y1] = rangeOf(heights.map((y) => this.seen(y)).filter((y) => y !== null));
      const room = (y1 - y0) * 0.04;
      this.xOf = (x) => EDGE.left + ((x - x0) / (x1 - x0)) * (width - EDGE.left - EDGE.right);
      this.yOf = (y) =>
        height - EDGE.bottom - ((y - y0 + room) / (y1 - y0 + 2 * room)) * (height - EDGE.top - EDGE.bottom);
      this.size = { width, height };
      this.back.disabled = !this.zoom;
      const id = "plot-inside";
      const frame = {
        x: EDGE.left, y: EDGE.top,
        width: Math.max(0, width - EDGE.left - EDGE.right),
        height: Math.max(0, height - EDGE.top - EDGE.bottom),
      };
      this.marks = svg("g");
      if (!points.length) {
        this.picture.replaceChildren();
        return;
      }
      this.picture.replaceChildren(
        svg("clipPath", { id }, svg("rect", frame)),
        svg("g", { class: "grid" }, this.grid(y0, y1)),
        svg("g", { "clip-path": `url(#${id})` }, this.curves.map((curve) => this.lines(curve))),
        this.marks,
      );
    }

    grid(y0, y1) {
      const { width, height } = this.size;
      const isLog = this.options.isLog;
      const across = (isLog ? logTicks(y0, y1, 5) : ticks(y0, y1, 5)).map((y) => {
        const at = this.yOf(y).toFixed(1);
        const text = mlreport.number(Number((isLog ? 10 ** y : y).toPrecision(6)));
        return [
          svg("line", { x1: EDGE.left, x2: width - EDGE.right, y1: at, y2: at }),
          svg("text", { x: EDGE.left - 6, y: at, dy: "0.35em", "text-anchor": "end" }, text),
        ];
      });
      const [x0, x1] = this.xRange;
      const along = ticks(x0, x1, Math.max(2, Math.floor(width / 110))).map((x) =>
        svg(
          "text",
          { x: this.xOf(x).toFixed(1), y: height - 8, "text-anchor": "middle" },
          this.options.xText(x, x1 - x0),
        ),
      );
      return [...across, ...along];
    }

    /** Return the lines of a curve: what was smoothed stands behind it, as does its range. */
    lines(curve) {
      const isBand = curve.points.some((point) => point.low !== point.high);
      const parts = [];
      if (isBand && this.curves.length <= 3) {
        parts.push(svg("path", { class: `band k${curve.number}`, d: this.band(curve.points) }));
      }
      if (curve.isSmooth) {
        parts.push(svg("path", { class: `raw k${curve.number}`, d: this.path(curve.points, "raw") }));
      }
      parts.push(svg("path", { class: `line k${curve.number}`, d: this.path(curve.points, "y") }));
      return parts;
    }

    path(points, key) {
      let isOn = false;
      return points
        .map((point) => {
          const y = this.seen(point[key]);
          const was = isOn;
          isOn = y !== null;
          return isOn ? `${was ? "L" : "M"}${this.xOf(point.x).toFixed(1)} ${this.yOf(y).toFixed(1)}` : "";
        })
        .join("");
    }

    band(points) {
      const known = points.filter((point) => this.seen(point.low) !== null);
      const place = (point, key) =>
        `${this.xOf(point.x).toFixed(1)} ${this.yOf(this.seen(point[key])).toFixed(1)}`;
      if (!known.length) return "";
      const there = known.map((point) => place(point, "high"));
      const back = known.map((point) => place(point, "low")).reverse();
      return `M${[...there, ...back].join("L")}Z`;
    }

    // -- zoom ------------------------------------------------------------------------

    zoomTo(range) {
      this.zoom = range;
      this.draw();
    }

    scale(factor, by = 0) {
      const [low, high] = this.xRange;
      const middle = (low + high) / 2 + by * (high - low);
      const half = ((high - low) / 2) * factor;
      const isAll = half * 2 >= this.whole[1] - this.whole[0];
      this.zoomTo(isAll ? null : [middle - half, middle + half]);
    }

    pressed(event) {
      const acts = {
        "+": () => this.scale(1 / ZOOM), "=": () => this.scale(1 / ZOOM), "-": () => this.scale(ZOOM),
        0: () => this.zoomTo(null),
        ArrowLeft: () => this.scale(1, -0.25), ArrowRight: () => this.scale(1, 0.25),
      };
      if (!Object.hasOwn(acts, event.key)) return;
      event.preventDefault();
      acts[event.key]();
    }

    place(event) {
      const box = this.picture.getBoundingClientRect();
      const pixels = event.clientX - box.left;
      const [x0, x1] = this.xRange;
      const share = (pixels - EDGE.left) / (this.size.width - EDGE.left - EDGE.right);
      return { pixels, x: x0 + Math.min(1, Math.max(0, share)) * (x1 - x0) };
    }

    grabbed(event) {
      if (event.button) return;
      this.start = this.place(event);
      this.picture.setPointerCapture(event.pointerId);
    }

    moved(event) {
      const here = this.place(event);
      if (!this.start) {
        this.point(here.x);
        return;
      }
      const [from, to] = [this.start.x, here.x].sort((a, b) => a - b).map(this.xOf);
      const shape = { x: from, y: EDGE.top, width: to - from };
      const height = this.size.height - EDGE.top - EDGE.bottom;
      this.marks.replaceChildren(svg("rect", { class: "zoomed", ...shape, height }));
    }

    dropped(event) {
      const start = this.start;
      this.letGo();
      if (!start) return;
      const here = this.place(event);
      if (Math.abs(here.pixels - start.pixels) >= DRAG_MIN && here.x !== start.x) {
        this.zoomTo([start.x, here.x].sort((a, b) => a - b));
      } else {
        this.point(here.x);
      }
    }

    letGo() {
      this.start = null;
      this.marks?.replaceChildren();
    }

    // -- values ----------------------------------------------------------------------

    point(x) {
      if (this.start || !this.marks?.isConnected) return;
      const found = this.curves.map((curve) =>
        x === null || !curve.points.length ? null : curve.points[nearest(curve.points, x)],
      );
      this.onValues(found);
      if (x === null) {
        this.marks?.replaceChildren();
        return;
      }
      const at = this.xOf(x).toFixed(1);
      const dots = found.map((point, index) => {
        const y = point && this.seen(point.y);
        if (y === null || !this.isInside(point.x)) return null;
        const place = { cx: this.xOf(point.x).toFixed(1), cy: this.yOf(y).toFixed(1), r: 3 };
        return svg("circle", { class: `dot k${this.curves[index].number}`, ...place });
      });
      const line = { class: "cross", x1: at, x2: at, y1: EDGE.top, y2: this.size.height - EDGE.bottom };
      this.marks.replaceChildren(svg("line", line), ...dots.filter(Boolean));
    }

    isInside(x) {
      return x >= this.xRange[0] && x <= this.xRange[1];
    }
  };
})();
