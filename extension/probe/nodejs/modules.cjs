// Which ES modules took how long to be evaluated, by samples of what runs: Node.js tells no one when a module begins or ends.
// Only where an import profile was asked for: it takes some milliseconds. CommonJS modules are the probe's own.
"use strict";

const { Session } = require("inspector");
const { fileURLToPath } = require("url");

const INTERVAL_US = 500;

// The frame of a module's own code, not that of a function in it.
const isModule = ({ functionName, url, lineNumber, columnNumber }) =>
  functionName === "" && url.startsWith("file:") && lineNumber === 0 && columnNumber === 0;

// From the first to the last sample that has a module on its stack, by the module's address.
const spansOf = (profile) => {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const parents = new Map();
  for (const node of profile.nodes) for (const child of node.children || []) parents.set(child, node.id);
  const spans = new Map();
  let at = profile.startTime;
  profile.samples.forEach((sample, index) => {
    at += profile.timeDeltas[index];
    for (let id = sample; id !== undefined; id = parents.get(id)) {
      const { callFrame } = nodes.get(id);
      if (!isModule(callFrame)) continue;
      const span = spans.get(callFrame.url);
      if (span) span[1] = at;
      else spans.set(callFrame.url, [at, at]);
    }
  });
  return spans;
};

exports.start = () => {
  const session = new Session();
  const post = (method, parameters) => {
    let answer;
    session.post(method, parameters, (error, result) => {
      answer = result;
    });
    return answer;
  };
  try {
    session.connect();
    post("Profiler.enable");
    post("Profiler.setSamplingInterval", { interval: INTERVAL_US });
    post("Profiler.start");
  } catch {
    return undefined; // there is no inspector in this Node.js
  }
  // [begin, end, file] of each that took as long as `thresholdNs`, in nanoseconds of CLOCK_MONOTONIC, as V8's samples.
  const stop = (thresholdNs) => {
    const { profile } = post("Profiler.stop") || {};
    session.disconnect();
    if (!profile) return [];
    const imports = [];
    for (const [url, [begin, end]] of spansOf(profile)) {
      const file = fileURLToPath(url);
      const [beginNs, endNs] = [BigInt(begin) * 1000n, BigInt(end) * 1000n];
      if (endNs - beginNs >= thresholdNs && !require.cache[file]) imports.push([beginNs, endNs, file]);
    }
    return imports;
  };
  delete require.cache[__filename];
  return { stop };
};
