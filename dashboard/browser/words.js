// Figures and instants as people read them: what dashboard/text.py writes, in the browser.

const pad = (number, digits = 2) => String(number).padStart(digits, "0");

/** A whole number with thousands set apart. */
const whole = (value) => Math.round(value).toLocaleString("en-US");

/** A count, or an average of one, with two digits where they tell something. */
function count(value) {
  if (Number.isInteger(value) || Math.abs(value) >= 100) return whole(value);
  return Math.abs(value) < 0.01 ? value.toPrecision(2) : value.toFixed(2);
}

const SPANS = [
  [86400, "d", 3600, "h"],
  [3600, "h", 60, "min"],
  [60, "min", 1, "s"],
];

/** A span of time in its two largest units. */
function seconds(value) {
  const total = Math.round(value);
  for (const [size, unit, smaller, smallerUnit] of SPANS) {
    if (total >= size) {
      const small = Math.floor((total % size) / smaller);
      const large = `${Math.floor(total / size)} ${unit}`;
      return small ? `${large} ${small} ${smallerUnit}` : large;
    }
  }
  return `${total} s`;
}

/** A duration with the unit that fits it. */
export function milliseconds(value) {
  const size = Math.abs(value);
  if (size < 1) return value ? `${value.toFixed(2)} ms` : "0 ms";
  if (size < 100) return `${value.toFixed(1)} ms`;
  if (size < 999.5) return `${value.toFixed(0)} ms`;
  if (size < 59950) return `${(value / 1000).toFixed(size < 9995 ? 2 : 1)} s`;
  return seconds(value / 1000);
}

/** How a figure of each unit is written. */
export const WORDS = { count, ms: milliseconds };

const TICK_UNITS = [
  [86400000, "d"],
  [3600000, "h"],
  [60000, "min"],
  [1000, "s"],
];

/** A round duration on an axis: the largest unit that it is a whole number of. */
function durationTick(value) {
  const [size, unit] = TICK_UNITS.find(([ms]) => value >= ms && value % ms === 0) ?? (value >= 1000 ? [1000, "s"] : [1, "ms"]);
  return `${Number((value / size).toPrecision(6))} ${unit}`;
}

function countTick(value) {
  if (Math.abs(value) < 1e-4) return String(Number(value.toPrecision(6)));
  return value.toLocaleString("en-US", { maximumFractionDigits: 6 });
}

/** How a tick of each unit is written. */
export const TICKS = { count: countTick, ms: durationTick, usd: (value) => `$${countTick(value)}` };

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** An instant on an axis, in the viewer's zone: 24-hour times, and at midnight the day. */
export function timeTick(at) {
  const date = new Date(at * 1000);
  if (date.getSeconds()) return `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
  if (date.getHours() || date.getMinutes()) return `${pad(date.getHours())}:${pad(date.getMinutes())}`;
  return `${date.getDate()} ${MONTHS[date.getMonth()]}`;
}

/** An instant in the viewer's zone, and in UTC. */
export function instants(at) {
  const date = new Date(at * 1000);
  const here = [pad(date.getHours()), pad(date.getMinutes()), pad(date.getSeconds())].join(":");
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
  const utc = date.toISOString().slice(0, 19).replace("T", " ");
  return `${day} ${here}` === utc ? [`${utc} UTC`] : [`${day} ${here}`, `${utc} UTC`];
}
