// Figures over buckets: areas on top of one another, steps or lines. uPlot keeps the axes and the canvas; what is drawn
// between them is drawn here, as a bucket has a width and its figure holds for all of it.

import { element, legend } from "./hover.js";
import { FAILED, Surface } from "./surface.js";
import { WORDS, instants, milliseconds } from "./words.js";

const NAMED = 6; // so many are named of one bucket; more hide the chart that they are about
const LINE_PX = 1.8;
const DOT_PX = 2.5;
const ROOM_ABOVE = 1.08;

/** The lower and the upper edge of each area, where areas stand on top of one another. */
function stacked(traces, buckets) {
  const height = new Array(buckets).fill(0);
  return traces.map(({ values }) => {
    const low = height.slice();
    values.forEach((value, at) => {
      height[at] += value ?? 0;
    });
    return { low, high: height.slice() };
  });
}

const sum = (values) => values.reduce((whole, value) => whole + value, 0);

/** The buckets that follow one another with a figure each, as pairs of the first and the one after the last. */
function runs(values) {
  const found = [];
  for (let at = 0; at < values.length; at += 1) {
    if (values[at] === null) continue;
    const first = at;
    while (at < values.length && values[at] !== null) at += 1;
    found.push([first, at]);
  }
  return found;
}

/** An area in steps between two heights of each bucket. */
function fill(ctx, xs, y, { low, high }, { colour, values }) {
  ctx.fillStyle = colour;
  for (const [first, end] of runs(values)) {
    ctx.beginPath();
    for (let at = first; at < end; at += 1) {
      ctx.lineTo(xs[at], y(high[at]));
      ctx.lineTo(xs[at + 1], y(high[at]));
    }
    for (let at = end - 1; at >= first; at -= 1) {
      ctx.lineTo(xs[at + 1], y(low[at]));
      ctx.lineTo(xs[at], y(low[at]));
    }
    ctx.fill();
  }
}

/** A line that breaks where nothing is known. In steps each figure holds for its bucket; else it is one point, and one
 * between two gaps a dot, of which a line would show nothing. */
function stroke(ctx, xs, y, { colour, values }, steps, ratio) {
  ctx.strokeStyle = colour;
  ctx.fillStyle = colour;
  for (const [first, end] of runs(values)) {
    ctx.beginPath();
    if (!steps && end - first === 1) {
      ctx.arc(xs[first], y(values[first]), DOT_PX * ratio, 0, 2 * Math.PI);
      ctx.fill();
      continue;
    }
    for (let at = first; at < end; at += 1) {
      ctx.lineTo(xs[at], y(values[at]));
      if (steps) ctx.lineTo(xs[at + 1], y(values[at]));
    }
    ctx.stroke();
  }
}

export class Plot extends Surface {
  constructor(host) {
    super(host);
    this.band = element("div", "lsc-band");
  }

  /** Draw what spec says: see dashboard/charts/plot.py. choose hears of the bucket that was clicked, by its begin. */
  show(spec, style, choose) {
    this.spec = spec;
    this.choose = choose;
    this.edges = spec.across === "time" ? spec.edges.map((ms) => ms / 1000) : spec.edges;
    this.areas = spec.form === "stack" ? stacked(spec.traces, this.edges.length - 1) : null;
    const [first, last] = [this.edges[0], this.edges.at(-1)];
    const [low, high] = this.range();
    const [below, scale] = this.below(style, spec.across, spec.acrossTicks, first, last);
    const options = {
      height: spec.height,
      scales: { x: { ...scale, range: [first, last] }, y: { range: [low, high], distr: spec.ticks.length ? 3 : 1 } },
      axes: [below, this.beside(style, spec.unit, spec.ticks, low, high)],
      series: [{}, { points: { show: false }, paths: () => null }],
      hooks: { drawClear: [(u) => this.shade(u, spec.fresh)], draw: [(u) => this.draw(u)] },
    };
    this.surface(legend(spec.traces, !this.areas), options, [this.edges, this.edges.map(() => null)]);
    this.uplot.over.append(this.band);
    this.uplot.over.style.cursor = spec.click ? "pointer" : "default";
  }

  range() {
    const { spec } = this;
    const shown = this.areas ? this.areas.map(({ high }) => high) : spec.traces.map(({ values }) => values);
    const above = spec.above.map(({ values }) => values);
    const known = [...shown, ...above, spec.limits].flat().filter((value) => value !== null);
    const high = known.reduce((most, value) => Math.max(most, value), 0);
    const low = known.reduce((least, value) => Math.min(least, value), spec.ticks.length ? Infinity : 0);
    if (!spec.ticks.length) return [low * ROOM_ABOVE, (high || 1) * ROOM_ABOVE];
    return low < high ? [low / 1.1, high * 1.1] : [low / 2, low * 2];
  }

  draw(u) {
    const { ctx, bbox } = u;
    const { spec } = this;
    const ratio = devicePixelRatio || 1;
    const xs = this.edges.map((edge) => Math.round(u.valToPos(edge, "x", true)));
    const y = (value) => Math.round(u.valToPos(value, "y", true));
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height + ratio);
    ctx.clip();
    ctx.lineWidth = LINE_PX * ratio;
    ctx.lineJoin = "round";
    if (this.areas) this.areas.forEach((area, at) => fill(ctx, xs, y, area, spec.traces[at]));
    else for (const trace of spec.traces) stroke(ctx, xs, y, trace, spec.form === "steps", ratio);
    for (const line of spec.above) stroke(ctx, xs, y, line, true, ratio);
    ctx.strokeStyle = FAILED;
    ctx.setLineDash([6 * ratio, 4 * ratio]);
    for (const limit of spec.limits) {
      ctx.beginPath();
      ctx.moveTo(bbox.left, y(limit));
      ctx.lineTo(bbox.left + bbox.width, y(limit));
      ctx.stroke();
    }
    ctx.restore();
  }

  /** The number of the bucket at so many pixels from the left, or null. */
  bucketAt(x) {
    const value = this.uplot.posToVal(x, "x");
    const after = this.edges.findIndex((edge) => edge > value);
    return after > 0 ? after - 1 : null;
  }

  clicked(x) {
    this.chosen(this.bucketAt(x));
  }

  chosen(at) {
    if (this.spec.click && at !== null) this.choose(this.spec.edges[at]);
  }

  key(event) {
    const buckets = this.edges.length - 1;
    const steps = { ArrowLeft: -1, ArrowRight: 1, Home: -buckets, End: buckets };
    if (event.key in steps) {
      const from = this.at ?? (steps[event.key] > 0 ? -1 : buckets);
      this.mark(Math.max(0, Math.min(buckets - 1, from + steps[event.key])), 0, { aloud: true });
    } else if (event.key === "Enter") this.chosen(this.at);
    else if (event.key === "Escape") this.forget();
    else return false;
    return true;
  }

  point(x, y) {
    const at = this.bucketAt(x);
    if (at === null) this.forget();
    else this.mark(at, y);
  }

  /** Show which bucket is meant, and what is in it. */
  mark(at, y, options) {
    this.at = at;
    const left = Math.max(0, this.uplot.valToPos(this.edges[at], "x"));
    const width = this.uplot.valToPos(this.edges[at + 1], "x") - left;
    Object.assign(this.band.style, { left: `${left}px`, width: `${Math.max(1, width)}px` });
    this.band.hidden = false;
    this.say(this.lines(at), left + width / 2, y, options);
  }

  lines(at) {
    const { spec, edges } = this;
    const words = WORDS[spec.unit];
    const line = ({ colour, name, values }) => ({ colour, name, figure: words(values[at]) });
    const known = spec.traces.filter(({ values }) => values[at] !== null);
    const above = spec.above.filter(({ values }) => values[at] !== null);
    const named = known.filter(({ values }) => values[at] || !this.areas);
    named.sort((one, other) => other.values[at] - one.values[at]);
    const out = spec.across === "time" ? instants(edges[at]) : [edges.slice(at, at + 2).map(milliseconds).join(" to ")];
    if (!known.length && !above.length) out.push("nothing is known");
    out.push(...above.map(line));
    if (this.areas && known.length) out.push({ name: spec.label, figure: words(sum(known.map(({ values }) => values[at]))) });
    out.push(...named.slice(0, NAMED).map(line));
    if (named.length > NAMED) out.push(`${named.length - NAMED} more`);
    out.push(...spec.limits.map((limit) => ({ name: "limit", figure: words(limit) })));
    return out;
  }

  forget() {
    this.at = null;
    this.band.hidden = true;
    super.forget();
  }
}
