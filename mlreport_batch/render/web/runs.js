// The runs as data: which columns there are, which runs fit a view, and their order.
"use strict";

(() => {
  const { own, say } = mlreport;
  const WORST = ["failed", "killed", "out_of_time", "stalled"];
  const ORDER = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
  const haystacks = new WeakMap();

  const FIXED = {
    group: { word: "page.group", value: (row) => row.group },
    main: { word: "table.main", value: (row) => mainOf(row)?.[0], isNumber: true },
    progress: { word: "head.steps", value: (row) => row.progress, isNumber: true },
    step: { word: "table.step", value: (row) => row.step, isNumber: true },
    started: { word: "page.started", value: (row) => row.started, isNumber: true },
    written: { word: "page.written", value: (row) => row.written, isNumber: true },
    reported: { word: "page.reported", value: (row) => row.reported, isNumber: true },
    run: { word: "head.run", value: (row) => row.name },
    status: { word: "head.status", value: (row) => say(`status.${row.status}`) },
  };

  /** Return [latest, best] of the metric that is named first, if there is one. */
  function mainOf(row) {
    return row.main ? own(row.metrics, row.main) : undefined;
  }

  /** Return the column called `key`: `written`, `m:loss` (latest), `b:loss` (best), `h:lr`. */
  function columnOf(key) {
    const kind = key.slice(0, 2);
    const name = key.slice(2);
    if (kind === "m:") {
      return { key, label: name, isNumber: true, value: (row) => own(row.metrics, name)?.[0] };
    }
    if (kind === "b:") {
      const label = say("page.best_of", { metric: name });
      return { key, label, isNumber: true, value: (row) => own(row.metrics, name)?.[1] };
    }
    if (kind === "h:") {
      return { key, label: name, isHparam: true, value: (row) => own(row.hparams, name) };
    }
    const fixed = own(FIXED, key);
    return fixed ? { key, label: say(fixed.word), ...fixed } : null;
  }

  /** Return a row, with what the data leave out because it is empty. */
  function whole(row) {
    return {
      group: "", status: "", headline: "", tags: [], alerts: [], main: "", metrics: {},
      hparams: {}, spark: "", written: 0, progress: null, step: null, started: null,
      reported: null, page: false, pdf: false, drawn: false, ...row,
    };
  }

  function haystack(row) {
    let found = haystacks.get(row);
    if (found === undefined) {
      const pairs = Object.entries(row.hparams).map(([key, value]) => `${key}=${mlreport.scalar(value)}`);
      const parts = [row.name, row.group, say(`status.${row.status}`), row.headline];
      found = [...parts, ...row.tags, ...row.alerts, ...pairs].join("\n").toLowerCase();
      haystacks.set(row, found);
    }
    return found;
  }

  /** Return the rows that fit the view, without looking at its states if `anyStatus`. */
  function fitting(rows, view, anyStatus = false) {
    const words = view.q.toLowerCase().split(/\s+/).filter(Boolean);
    return rows.filter(
      (row) =>
        (anyStatus || !view.status.length || view.status.includes(row.status)) &&
        (!view.group || row.group === view.group) &&
        (!view.tag || row.tags.includes(view.tag)) &&
        words.every((word) => haystack(row).includes(word)),
    );
  }

  /** Return 2 for what a person must look at, 1 for what went wrong, 0 for the rest. */
  function gravity(row) {
    return row.alerts.length ? 2 : WORST.includes(row.status) ? 1 : 0;
  }

  const latest = (row) => Math.max(row.reported ?? 0, row.written);

  function byAttention(a, b) {
    return gravity(b) - gravity(a) || latest(b) - latest(a) || ORDER.compare(a.name, b.name);
  }

  /** Return what rows are sorted by: numbers before texts, what is missing at the end. */
  function ranked(value) {
    if (value === "inf") return Infinity;
    if (value === "-inf") return -Infinity;
    return value === "" || value === "NaN" ? undefined : value;
  }

  function compared(a, b) {
    if (typeof a === "number" && typeof b === "number") return a - b;
    if (typeof a === "number" || typeof b === "number") return typeof a === "number" ? -1 : 1;
    return ORDER.compare(String(a), String(b));
  }

  /** Return the rows in the order that `sort` names: `loss`, `-loss`, or nothing. */
  function sorted(rows, sort) {
    const column = sort ? columnOf(sort.replace(/^-/, "")) : null;
    if (!column) return [...rows].sort(byAttention);
    const sign = sort.startsWith("-") ? -1 : 1;
    const keyed = rows.map((row) => [ranked(column.value(row)) ?? undefined, row]);
    keyed.sort(([a, first], [b, second]) => {
      if (a === undefined || b === undefined) {
        return (a === undefined) - (b === undefined) || byAttention(first, second);
      }
      return sign * compared(a, b) || byAttention(first, second);
    });
    return keyed.map(([, row]) => row);
  }

  /** Return [value, count] of what `valuesOf` gives for the rows, the most frequent first. */
  function counted(rows, valuesOf) {
    const found = new Map();
    for (const row of rows) {
      for (const value of valuesOf(row)) found.set(value, (found.get(value) ?? 0) + 1);
    }
    return [...found].sort((a, b) => b[1] - a[1] || ORDER.compare(a[0], b[0]));
  }

  /** Return the names of the hyperparameters that are not the same in all rows. */
  function varying(rows) {
    const names = counted(rows, (row) => Object.keys(row.hparams));
    return names
      .map(([name]) => name)
      .filter((name) => {
        const first = own(rows[0].hparams, name);
        return rows.some((row) => own(row.hparams, name) !== first);
      });
  }

  mlreport.runs = { columnOf, counted, fitting, gravity, mainOf, sorted, varying, whole };
})();
