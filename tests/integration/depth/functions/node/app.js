require("./slow");
const Module = require("module");
exports.handler = async (event, context) => ({
  event,
  names: Object.keys(process.env).filter((name) => /^(LAMBDASCOPE_MARKS|NODE_OPTIONS)$/.test(name)),
  own: Object.keys(module).includes("loaded") && module.loaded,
  accessor: "loaded" in Module.prototype,
  exists: require("fs").existsSync.toString().length > 0 && require("fs").existsSync.name,
  arn: context.invokedFunctionArn,
});
