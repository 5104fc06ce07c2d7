// Does what an event asks for, and tells what the runtime client made of it.
const { createHash } = require("crypto");

const things = {
  tell: (event, context) => ({
    event: createHash("sha256").update(JSON.stringify(event)).digest("hex"),
    request: context.awsRequestId,
    arn: context.invokedFunctionArn,
    identity: context.identity,
    client: context.clientContext,
    trace: process.env._X_AMZN_TRACE_ID,
  }),
  answer: (event) => "x".repeat(event.bytes),
  raise: (event) => {
    throw new RangeError(event.message || "at the function's own wish");
  },
  nonsense: () => 1n,
  exit: () => process.exit(3),
  hang: () => new Promise((resolve) => setTimeout(resolve, 600000)),
};

exports.handler = async (event, context) => things[event.do](event, context);

const write = (stream, data) => new Promise((resolve) => stream.write(data, resolve));

exports.streaming = awslambda.streamifyResponse(async (event, stream, context) => {
  stream.setContentType("application/vnd.lambdascope.test");
  await write(stream, JSON.stringify(things.tell(event, context)));
  for (let left = event.bytes || 0; left > 0; left -= 60000) await write(stream, "y".repeat(Math.min(left, 60000)));
  if (event.do === "raise") things.raise(event);
  if (event.do === "hang") await things.hang();
  stream.end();
  await stream.finished?.();
});
