// What all charts have: names above, a canvas of uPlot's that is as wide as its place, a box beside the pointer, and the
// keyboard.

import uPlot from "./vendor/uPlot.esm.js";
import { Hover, element } from "./hover.js";
import { TICKS, timeTick } from "./words.js";

export const FAILED = "#d1450b";
export const NEUTRAL = "#8a94a0";
const SHADE = "rgba(138, 148, 160, 0.16)";

const labels = (unit) => (_, ticks) => ticks.map((value) => (value === null ? null : TICKS[unit](value)));

/** What an axis has whose ticks are given: those in sight, and labels only so many pixels apart. */
function given(ticks, low, high, scale, apart) {
  const shown = ticks.filter((tick) => tick >= low && tick <= high);
  const filter = (u) => {
    let last = null;
    return shown.map((tick) => {
      const at = u.valToPos(tick, scale);
      if (last !== null && Math.abs(last - at) < apart) return null;
      last = at;
      return tick;
    });
  };
  return { splits: () => shown, filter };
}

/** Steps between ticks: whole ones, unless all that is shown is below that. */
function increments(high) {
  const steps = [];
  for (let power = high < 2 ? -9 : 0; power <= 15; power += 1) {
    for (const step of [1, 2, 5]) steps.push(step * 10 ** power);
  }
  return steps;
}

export class Surface {
  constructor(host) {
    this.host = host;
    this.legend = element("div");
    this.frame = element("div", "lsc-plot");
    host.replaceChildren(this.legend, this.frame);
    this.hover = new Hover(this.frame);
    this.width = 0;
    this.resized = new ResizeObserver(() => this.fit());
    this.resized.observe(host);
    host.tabIndex = 0;
    this.told = new AbortController();
    const { signal } = this.told;
    host.addEventListener("keydown", (event) => this.key(event) && event.preventDefault(), { signal });
    host.addEventListener("blur", () => this.forget(), { signal });
  }

  /** Put names above, and a fresh canvas beneath. */
  surface(names, options, data) {
    this.legend.replaceWith(names);
    this.legend = names;
    this.uplot?.destroy();
    this.width = this.host.clientWidth;
    this.uplot = new uPlot({ ...this.plain(), ...options, width: this.width }, data, this.frame);
    const { over } = this.uplot;
    over.addEventListener("pointermove", (event) => this.point(...this.place(event)));
    over.addEventListener("pointerleave", () => this.forget());
    over.addEventListener("click", (event) => this.clicked(...this.place(event)));
    this.forget();
  }

  plain() {
    return { legend: { show: false }, cursor: { show: false }, select: { show: false }, padding: [6, 12, 0, 2] };
  }

  /** An axis in the colours of the page. */
  axis(style) {
    return { stroke: style.text, font: `12px ${style.font}`, ticks: { show: false }, gap: 6 };
  }

  /** The axis below, and its scale: instants in seconds, or a figure of some unit. */
  below(style, across, ticks, low, high) {
    const axis = { ...this.axis(style), space: 85, size: 26, grid: { show: false } };
    if (across === "time") return [{ ...axis, values: (_, at) => at.map(timeTick) }, {}];
    if (ticks.length) return [{ ...axis, ...given(ticks, low, high, "x", 50), values: labels(across) }, { time: false, distr: 3 }];
    return [{ ...axis, incrs: increments(high), values: labels(across) }, { time: false }];
  }

  /** The axis on the left. */
  beside(style, unit, ticks, low, high) {
    return {
      ...this.axis(style),
      grid: { stroke: style.grid, width: 1 },
      space: 38,
      size: (_, texts) => 12 + 6.7 * Math.max(2, ...(texts ?? []).map((text) => text?.length ?? 0)),
      values: labels(unit),
      ...(ticks.length ? given(ticks, low, high, "y", 15) : { incrs: increments(high) }),
    };
  }

  /** Shade what may still change, from an instant on. */
  shade(u, fresh) {
    if (fresh === null) return;
    const begin = u.valToPos(fresh / 1000, "x", true);
    u.ctx.fillStyle = SHADE;
    u.ctx.fillRect(begin, u.bbox.top, u.bbox.left + u.bbox.width - begin, u.bbox.height);
  }

  place(event) {
    const bounds = this.uplot.over.getBoundingClientRect();
    return [event.clientX - bounds.left, event.clientY - bounds.top];
  }

  /** Say lines beside a point between the axes. */
  say(lines, x, y, options) {
    const { offsetLeft, offsetTop } = this.uplot.over;
    this.hover.show(lines, offsetLeft + x, offsetTop + y, options);
  }

  fit() {
    if (!this.uplot || !this.host.clientWidth || this.host.clientWidth === this.width) return;
    this.width = this.host.clientWidth;
    this.uplot.setSize({ width: this.width, height: this.uplot.height });
    this.forget();
  }

  forget() {
    this.hover.hide();
  }

  clicked() {}

  destroy() {
    this.resized.disconnect();
    this.told.abort();
    this.uplot?.destroy();
    this.host.replaceChildren();
  }
}
