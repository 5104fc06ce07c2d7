// What /var/runtime/index.mjs is in Lambda: runs the handler on the runtime client. Installed beside the client by
// deploy/setup/nodejs-runtime.
import { run } from "./aws-lambda-ric/dist/index.mjs";

await run(process.env.LAMBDA_TASK_ROOT, process.env._HANDLER);
