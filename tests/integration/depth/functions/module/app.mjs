import "./slow.mjs";

export const handler = async (event) => ({ event, symbols: Object.getOwnPropertySymbols(Function.prototype).length });
