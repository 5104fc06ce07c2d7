// What Streamlit calls for each chart of ours, again whenever it may have changed.

import { Plot } from "./plot.js";
import { Rows } from "./rows.js";

const KINDS = { plot: Plot, rows: Rows };
const shown = new WeakMap(); // by the element that Streamlit gives a chart

function styleOf(parent) {
  const style = getComputedStyle(parent);
  const of = (name) => style.getPropertyValue(name).trim();
  return { text: of("--st-text-color"), grid: of("--st-border-color-light"), font: of("--st-font") || "sans-serif" };
}

function begin(parent, kind) {
  const host = document.createElement("div");
  host.className = "lsc-chart";
  host.dataset.testid = "lambdascope-chart";
  host.setAttribute("role", "figure");
  parent.append(host);
  const chart = { host, kind, drawn: new KINDS[kind](host) };
  shown.set(parent, chart);
  return chart;
}

function end(parent) {
  const chart = shown.get(parent);
  chart?.drawn.destroy();
  chart?.host.remove();
  shown.delete(parent);
}

/** Draw, or draw anew. Returns what takes it away again: see Streamlit's "Custom components v2". */
export function draw({ parentElement, data, setTriggerValue }) {
  const text = new TextDecoder().decode(data);
  const style = styleOf(parentElement);
  const look = text + JSON.stringify(style);
  let chart = shown.get(parentElement);
  if (chart?.look !== look) {
    const spec = JSON.parse(text);
    if (chart && chart.kind !== spec.kind) end(parentElement);
    chart = shown.get(parentElement) ?? begin(parentElement, spec.kind);
    chart.host.setAttribute("aria-label", spec.alt);
    chart.drawn.show(spec, style, (bucket) => chart.choose(bucket));
    chart.look = look;
  }
  chart.choose = (bucket) => setTriggerValue("chosen", bucket);
  return () => end(parentElement);
}
