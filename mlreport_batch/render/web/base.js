// What all parts of the page use: elements, words, figures, and the way to the data.
// No part reads markup: whatever a run says is put in as text.
"use strict";

const mlreport = {
  /** Words by key, in the language of the reports; see the language catalogues. */
  words: {},
  language: "en",
};

(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const waiting = new Map();

  function make(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else if (value === true) node.setAttribute(name, "");
      else if (value !== false && value != null) node.setAttribute(name, value);
    }
    node.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
    return node;
  }

  /** Return a new element: attributes, listeners (`onclick`), then children. */
  mlreport.el = (tag, attributes = {}, ...children) =>
    make(document.createElement(tag), attributes, children);

  /** Return a new element of a picture. */
  mlreport.svg = (tag, attributes = {}, ...children) =>
    make(document.createElementNS(SVG, tag), attributes, children);

  /** Return the words called `key`, with its fields filled in. */
  mlreport.say = (key, fields = {}) => {
    const text = Object.hasOwn(mlreport.words, key) ? mlreport.words[key] : key;
    return text.replace(/\{(\w+)\}/g, (_, name) => String(fields[name] ?? ""));
  };

  /** Return what an object itself has under a name that a run chose. */
  mlreport.own = (object, name) => (Object.hasOwn(object, name) ? object[name] : undefined);

  /** Called by the scripts of data: `text` is JSON. */
  mlreport.take = (kind, key, text) => {
    const name = `${kind} ${key}`;
    const content = JSON.parse(text);
    if (waiting.has(name)) waiting.get(name)(content);
    else waiting.set(name, () => content);
  };

  /** Return the data called `kind` and `key`, loading them from `address` if it is given. */
  mlreport.load = (kind, key, address) =>
    new Promise((resolve, reject) => {
      const name = `${kind} ${key}`;
      const early = waiting.get(name);
      if (early && !address) {
        resolve(early());
        return;
      }
      waiting.set(name, resolve);
      if (!address) return;
      const script = mlreport.el("script", { src: address });
      script.onload = () => {
        script.remove();
        reject(new Error(`${address} is not as it was written`)); // unless it was taken
      };
      script.onerror = () => reject(new Error(address));
      document.head.append(script);
    });

  /** Return a number as a table shows it: five digits, or a power of ten. */
  mlreport.number = (value) => {
    if (typeof value !== "number") return value == null ? "" : String(value);
    const size = Math.abs(value);
    if (Number.isInteger(value) && size < 1e7) return String(value);
    if (size >= 1e7 || size < 1e-4) {
      return value.toExponential(4).replace(/\.?0+e/, "e").replace("e+", "e");
    }
    return String(Number(value.toPrecision(5)));
  };

  /** Return a hyperparameter as text; one that is not there is nothing. */
  mlreport.scalar = (value) => {
    if (value === undefined) return "";
    return typeof value === "string" ? value : JSON.stringify(value);
  };

  /** Return hyperparameters of several runs as briefly as they still differ. */
  mlreport.briefly = (values) => {
    const exact = values.map(mlreport.scalar);
    const short = values.map((value, at) => (exact[at].length > 9 && typeof value === "number" ? mlreport.number(value) : exact[at]));
    return new Set(short).size === new Set(exact).size ? short : exact;
  };

  /** Return a step with separators. */
  mlreport.count = (value) =>
    value == null ? "" : value.toLocaleString("en-US", { maximumFractionDigits: 4 });

  /** Return some seconds in their largest unit. */
  mlreport.duration = (seconds) => {
    const units = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
    const [unit, size] = units.find(([, each]) => seconds >= each) ?? units[3];
    const value = seconds / size;
    const shown = value < 10 && unit !== "second" ? Math.round(value * 10) / 10 : Math.round(value);
    return `${shown}${mlreport.say(`time.${unit}`)}`;
  };

  /** Return a time, seconds since the epoch, in the reader's zone. */
  mlreport.moment = (seconds) => {
    if (!seconds) return "";
    const at = new Date(seconds * 1000);
    const two = (part) => String(part).padStart(2, "0");
    return (
      `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ` +
      `${two(at.getHours())}:${two(at.getMinutes())}`
    );
  };
})();
