// The box beside the pointer that says what is there.

/** Make an element with a class and a text. Texts of data are never read as HTML. */
export function element(tag, name = "", text = "") {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text) made.textContent = text;
  return made;
}

/** A name with its colour. */
function named(colour, name, line = false) {
  const item = element("span", "lsc-name");
  const swatch = element("i", line ? "lsc-swatch lsc-line" : "lsc-swatch");
  swatch.style.background = colour;
  item.append(swatch, name);
  return item;
}

/** All names with their colours, above a chart. */
export function legend(traces, line = false) {
  const box = element("div", "lsc-legend");
  box.append(...traces.map((trace) => named(trace.colour, trace.name, line)));
  return box;
}

/** A box over a chart. Who cannot see it hears what it says when it moves by the keyboard. */
export class Hover {
  constructor(host) {
    this.host = host;
    this.box = element("div", "lsc-hover");
    this.box.hidden = true;
    this.said = element("div", "lsc-unseen");
    this.said.setAttribute("aria-live", "polite");
    host.append(this.box, this.said);
  }

  /** Say lines, each a text or a colour with a name and a figure, beside a point of the host. */
  show(lines, x, y, { aloud = false } = {}) {
    this.box.replaceChildren(
      ...lines.map((line) => {
        if (typeof line === "string") return element("div", "lsc-when", line);
        const row = element("div", "lsc-row");
        row.append(line.colour ? named(line.colour, line.name) : line.name, element("b", "", line.figure));
        return row;
      }),
    );
    this.box.hidden = false;
    const { clientWidth, clientHeight } = this.host;
    const beside = x + 14 + this.box.offsetWidth <= clientWidth ? x + 14 : x - 14 - this.box.offsetWidth;
    this.box.style.left = `${Math.max(0, beside)}px`;
    this.box.style.top = `${Math.max(0, Math.min(y, clientHeight - this.box.offsetHeight))}px`;
    if (aloud) this.said.textContent = this.box.innerText;
  }

  hide() {
    this.box.hidden = true;
  }
}
