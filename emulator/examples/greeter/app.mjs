// A Node.js function that streams its answer: one word after the other.
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export const handler = awslambda.streamifyResponse(async (event, responseStream, context) => {
  console.log(`greeting ${event.name ?? "nobody"}`);
  responseStream.setContentType("text/plain");
  for (const word of ["Hello,", event.name ?? "nobody", "from", context.functionName]) {
    responseStream.write(`${word} `);
    await pause(event.pause_ms ?? 50);
    if (event.fail) {
      throw new RangeError("as asked");
    }
  }
  responseStream.end();
});
