// Marks when the runtime begins to load the handler's module, and when that has ended. Runs inside the function's own
// process before anything else, by NODE_OPTIONS; no frame of it is in a stack trace, and what it puts in the way of
// Node's own code is taken away again.
"use strict";

(() => {
  const fs = require("fs");
  const path = require("path");
  const Module = require("module");
  const environment = process.env;
  const marks = Number(environment.LAMBDASCOPE_MARKS);
  const handler = environment._HANDLER || "";
  if (!Number.isInteger(marks) || marks < 3 || !handler.includes(".")) return;

  // As the runtime client reads it: folders, a module's name up to the first dot, and the rest.
  const folders = path.dirname(handler);
  const name = path.basename(handler).split(".", 1)[0];
  const wanted = path.resolve(environment.LAMBDA_TASK_ROOT || ".", folders, name);
  const profiled = ["1", "on", "true"].includes((environment.LAMBDASCOPE_IMPORT_PROFILE || "").toLowerCase());
  const thresholdNs = BigInt(Math.round((Number(environment.LAMBDASCOPE_IMPORT_PROFILE_MS) || 5) * 1e6));
  const mostImports = 100;

  // CLOCK_MONOTONIC: the wrapper has told what time that is. Node.js has no other clock as fine, but for one that takes a
  // millisecond to load.
  const ticksNs = process.hrtime.bigint;
  const imports = [];
  let beginNs = 0n;
  let ended = false;
  let modules; // the profile of ES modules, where one was asked for

  const say = (mark) => {
    try {
      fs.writeSync(marks, mark);
    } catch {
      // nobody listens, or their queue is full: there will be no split
    }
  };

  // Whichever way the path is written that the wrapper knows us by.
  const ours = /(^| )--require=\S*\/lambdascope\/probe\/nodejs\/probe\.cjs$/;
  const restoreEnvironment = () => {
    delete environment.LAMBDASCOPE_MARKS;
    const options = (environment.NODE_OPTIONS || "").replace(ours, "");
    if (options) environment.NODE_OPTIONS = options;
    else delete environment.NODE_OPTIONS;
  };

  // Whether the runtime client will import the handler as an ES module.
  const isModule = () => {
    if (!original(`${wanted}.js`)) return original(`${wanted}.mjs`);
    for (let folder = path.dirname(wanted); ; folder = path.dirname(folder))
      try {
        return JSON.parse(fs.readFileSync(path.join(folder, "package.json"))).type === "module";
      } catch {
        if (folder === path.dirname(folder)) return false;
      }
  };

  const begin = () => {
    if (beginNs) return;
    if (fs.existsSync === existsSync) fs.existsSync = original;
    restoreEnvironment();
    awaitMetadata();
    if (profiled && isModule()) modules = require("./modules.cjs").start();
    beginNs = ticksNs();
    say(`load_ticks ${beginNs}`);
  };

  const end = () => {
    if (ended) return;
    ended = true;
    const endNs = ticksNs();
    delete Module.prototype.loaded;
    for (const symbol of metadata) delete Function.prototype[symbol];
    if (modules) imports.push(...modules.stop(thresholdNs).filter((one) => one[0] >= beginNs && one[1] <= endNs));
    imports.sort((a, b) => Number(b[1] - b[0] - (a[1] - a[0])));
    imports.length = Math.min(imports.length, mostImports);
    imports.sort((a, b) => Number(a[0] - b[0]));
    say([`loaded_ticks ${beginNs} ${endNs}`, ...imports.map((one) => one.join(" "))].join("\n"));
    if (process.chdir.disabled) return; // a worker thread, one of several that share the descriptor
    try {
      fs.closeSync(marks);
    } catch {
      // somebody else has closed it
    }
  };

  // What the runtime client asks the handler for as soon as it has it, whichever way it was loaded: functions have neither
  // unless they stream, and those have the second one rarely. There is no other sign of an ES module's end.
  const metadata = ["streaming", "streaming.highWaterMark"].map((name) => Symbol.for(`aws.lambda.runtime.handler.${name}`));
  const awaitMetadata = () => {
    for (const symbol of metadata)
      Object.defineProperty(Function.prototype, symbol, {
        configurable: true,
        get() {
          end();
        },
        set(value) {
          Object.defineProperty(this, symbol, { value, writable: true, enumerable: true, configurable: true });
        },
      });
  };

  // The runtime client looks for the handler's file before it loads it, in whichever of Node's two ways.
  const original = fs.existsSync;
  function existsSync(file) {
    if (file === wanted || (typeof file === "string" && file.startsWith(`${wanted}.`))) begin();
    return original(file);
  }
  fs.existsSync = existsSync;

  // A CommonJS module sets `loaded` to false when it is made, and to true when it is done. One that is watched has a
  // property of that name in between too, which sees the second time.
  const files = [wanted, `${wanted}.js`, `${wanted}.cjs`, path.join(wanted, "index.js")];
  const plain = (module, value) =>
    Object.defineProperty(module, "loaded", { value, writable: true, enumerable: true, configurable: true });
  const watch = (module, isHandler) => {
    const moduleBeginNs = ticksNs();
    const done = (value) => {
      plain(module, value);
      if (!value || ended) return;
      const moduleEndNs = ticksNs();
      if (isHandler) end();
      else if (moduleEndNs - moduleBeginNs >= thresholdNs) imports.push([moduleBeginNs, moduleEndNs, module.id]);
    };
    Object.defineProperty(module, "loaded", { get: () => false, set: done, enumerable: true, configurable: true });
  };
  Object.defineProperty(Module.prototype, "loaded", {
    configurable: true,
    get: () => false,
    set(value) {
      const isHandler = files.includes(this.id);
      if (ended || !(isHandler || (profiled && beginNs))) {
        plain(this, value);
        return;
      }
      begin();
      watch(this, isHandler);
    },
  });
  delete require.cache[__filename];
})();
