// A chart of lines over the last minutes, a value per second. Each line has a colour and a pattern, so that nobody needs the colours.

import { element } from "../dom.js";

const HEIGHT = 100;
const SVG = "http://www.w3.org/2000/svg";

export class Chart {
  /** The element to put somewhere. */
  element;
  #format;
  #least;
  #series = [];
  /** Seconds from the left end to the right one. */
  #width = 1;
  /** The point that the reader looks at, counted back from the newest; null for none. */
  #cursor = null;
  #highest = element("span");
  #middle = element("span");
  #legend = element("ul");
  #begin = element("span");
  #lines;
  #plot;

  /** `format` writes a value; `least` is the least upper end of the scale. */
  constructor({ title, unit, format, least }) {
    this.#format = format;
    this.#least = least;
    this.#lines = svg("g");
    this.#plot = svg(
      "svg",
      { preserveAspectRatio: "none", tabindex: "0", role: "img", "aria-label": title },
      ...[0, 50, 100].map((y) => svg("line", { class: "grid", x1: "0%", x2: "100%", y1: y, y2: y })),
      this.#lines,
    );
    this.element = element(
      "figure",
      { className: "card chart" },
      element("h3", {}, title, " ", element("small", {}, unit)),
      element("div", { className: "scale", "aria-hidden": "true" }, this.#highest, this.#middle, element("span", {}, "0")),
      this.#plot,
      element("div", { className: "times", "aria-hidden": "true" }, this.#begin, element("span", {}, "now")),
      this.#legend,
    );
    this.#listen(title);
  }

  /** Draws the last seconds of these lines: `name`, and `values` of which the last is the newest. */
  draw(lines, seconds) {
    const series = lines.map(({ name, values }) => ({ name, values: values.slice(-seconds) }));
    this.#series = series;
    this.#width = seconds - 1;
    this.#plot.setAttribute("viewBox", `0 0 ${this.#width} ${HEIGHT}`);
    this.#begin.textContent = `${seconds / 60} min ago`;
    const values = series.flatMap((line) => line.values).filter((value) => value !== undefined && value !== null);
    const top = niceTop(Math.max(this.#least, ...values));
    this.#highest.textContent = this.#format(top);
    this.#middle.textContent = this.#format(top / 2);
    this.#lines.replaceChildren(
      ...series.map(({ values }, at) => svg("path", { class: `series-${at}`, d: this.#path(values, top) })),
    );
    this.#showValues();
  }

  #listen(title) {
    const look = (cursor) => {
      this.#cursor = cursor === null ? null : Math.min(Math.max(cursor, 0), this.#width);
      this.#showValues();
      if (cursor !== null) this.#plot.setAttribute("aria-label", `${title}, ${this.#legend.textContent}`);
    };
    this.#plot.addEventListener("pointermove", ({ clientX }) => {
      const { left, width } = this.#plot.getBoundingClientRect();
      look(Math.round((1 - (clientX - left) / width) * this.#width));
    });
    this.#plot.addEventListener("pointerleave", () => look(null));
    this.#plot.addEventListener("blur", () => look(null));
    this.#plot.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: 5, ArrowRight: -5 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      look((this.#cursor ?? 0) + step);
    });
  }

  /** A line through the values; where one is missing it is interrupted. */
  #path(values, top) {
    let text = "";
    let pen = "M";
    values.forEach((value, at) => {
      if (value === undefined || value === null) {
        pen = "M";
        return;
      }
      const x = this.#width - (values.length - 1 - at);
      text += `${pen}${x} ${(HEIGHT * (1 - value / top)).toFixed(1)}`;
      pen = "L";
    });
    return text;
  }

  /** The values at the cursor, or the newest. */
  #showValues() {
    const back = this.#cursor ?? 0;
    this.#plot.querySelector(".cursor")?.remove();
    if (this.#cursor !== null) {
      const x = this.#width - back;
      this.#plot.append(svg("line", { class: "cursor", x1: x, x2: x, y1: 0, y2: HEIGHT }));
    }
    const rows = this.#series.map(({ name, values }, at) =>
      element("li", {}, sampleOfLine(at), ` ${name} ${this.#format(values.at(-1 - back))} `),
    );
    if (this.#cursor !== null) rows.push(element("li", { className: "quiet" }, `${back} s ago`));
    if (this.#series.length === 0) rows.push(element("li", { className: "quiet" }, "none"));
    this.#legend.replaceChildren(...rows);
  }
}

function sampleOfLine(at) {
  return svg(
    "svg",
    { viewBox: "0 0 22 6", "aria-hidden": "true" },
    svg("path", { class: `series-${at}`, d: "M0 3H22" }),
  );
}

/** The next round number: 1, 2 or 5 with zeros. */
function niceTop(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value);
}

function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}
