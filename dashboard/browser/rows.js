// Rows of blocks beside their names: bars whose parts add up, spans of one invocation, lives of sandboxes.

import { element, legend } from "./hover.js";
import { FAILED, NEUTRAL, Surface } from "./surface.js";

const THIN_PX = 3;
const BETWEEN_PX = 8; // rows
const FAINT = 0.35;
const NEAR_PX = 3; // what is narrower is met so far beside it

export class Rows extends Surface {
  /** Draw what spec says: see dashboard/charts/rows.py. */
  show(spec, style) {
    this.spec = spec;
    this.style = style;
    this.scale = spec.across === "time" ? 1000 : 1;
    const [low, high] = [spec.begin / this.scale, spec.end / this.scale];
    const [below, scale] = this.below(style, spec.across, [], low, high);
    const names = this.names();
    const options = {
      height: spec.rows.length * spec.rowPx + 32,
      padding: [6, 12, 0, names.offsetWidth + 8],
      scales: { x: { ...scale, range: [low, high] }, y: { range: [0, 1] } },
      axes: [{ ...below, grid: { stroke: style.grid, width: 1 } }, { show: false }],
      series: [{}, { points: { show: false }, paths: () => null }],
      hooks: { drawClear: [(u) => this.shade(u, spec.fresh)], draw: [(u) => this.draw(u)] },
    };
    const kinds = spec.legend ? spec.kinds.map(([name, colour]) => ({ name, colour })) : [];
    this.surface(legend(kinds), options, [[low, high], [null, null]]);
  }

  /** The names of the rows, as texts that can be read and marked. */
  names() {
    this.column?.remove();
    this.column = element("div", "lsc-names");
    const { rows, rowPx } = this.spec;
    for (const { name } of rows) {
      const text = element("div", "", name);
      text.title = name;
      text.style.height = text.style.lineHeight = `${rowPx}px`;
      this.column.append(text);
    }
    this.frame.append(this.column);
    return this.column;
  }

  draw(u) {
    const { ctx, bbox } = u;
    const { rows, rowPx, kinds } = this.spec;
    const ratio = devicePixelRatio || 1;
    const x = (value) => u.valToPos(value / this.scale, "x", true);
    ctx.save();
    ctx.font = `${12 * ratio}px ${this.style.font}`;
    ctx.textBaseline = "middle";
    ctx.textAlign = "left";
    ctx.lineWidth = ratio;
    rows.forEach((row, at) => {
      const middle = bbox.top + (at + 0.5) * rowPx * ratio;
      let right = bbox.left;
      for (const { begin, end, kind, thin, faint } of row.blocks) {
        const left = Math.max(bbox.left, x(begin));
        right = Math.max(left + ratio, x(end));
        const height = (thin ? THIN_PX : rowPx - BETWEEN_PX) * ratio;
        const block = [left, middle - height / 2, right - left, height];
        [, ctx.fillStyle] = kinds[kind];
        ctx.globalAlpha = faint ? FAINT : 1;
        ctx.fillRect(...block);
        ctx.globalAlpha = 1;
        if (faint) {
          [, ctx.strokeStyle] = kinds[kind];
          ctx.strokeRect(...block);
        }
      }
      ctx.fillStyle = row.failed ? FAILED : NEUTRAL;
      ctx.fillText(row.text, right + 6 * ratio, middle);
    });
    ctx.restore();
  }

  /** The block at a point, the last drawn first, or null. */
  blockAt(x, y) {
    const row = this.spec.rows[Math.floor(y / this.spec.rowPx)];
    if (!row) return null;
    const px = (value) => this.uplot.valToPos(value / this.scale, "x");
    const met = row.blocks.filter(({ begin, end }) => px(begin) - NEAR_PX <= x && x <= px(end) + NEAR_PX);
    const inside = met.filter(({ begin, end }) => px(begin) <= x && x <= px(end));
    const block = (inside.length ? inside : met).at(-1);
    return block ? { row, block } : null;
  }

  point(x, y) {
    const met = this.blockAt(x, y);
    if (met) this.say(this.lines(met), x, y);
    else this.forget();
  }

  lines({ row, block }) {
    const [name, colour] = this.spec.kinds[block.kind];
    const [first, ...more] = block.said.map(([what, figure]) => ({ name: what, figure }));
    return [row.name.replace(/^[\s└]+/, ""), { ...first, name: first ? `${name}, ${first.name}` : name, colour }, ...more];
  }

  /** Up and down from row to row, left and right from block to block. */
  key(event) {
    const { rows, rowPx } = this.spec;
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (event.key === "Escape") this.forget();
    if (!step) return event.key === "Escape";
    const within = (number, count) => Math.max(0, Math.min(count - 1, number));
    const [before, block] = this.at ?? [-1, -1];
    const row = within(before + (this.at ? step[0] : 1), rows.length);
    const next = within(step[0] || !this.at ? 0 : block + step[1], rows[row].blocks.length);
    this.at = [row, next];
    const found = rows[row].blocks[next];
    if (!found) return true;
    const x = this.uplot.valToPos((found.begin + found.end) / 2 / this.scale, "x");
    this.say(this.lines({ row: rows[row], block: found }), x, (row + 1) * rowPx, { aloud: true });
    return true;
  }

  forget() {
    this.at = null;
    super.forget();
  }
}
