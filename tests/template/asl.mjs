// Reads {definitions, evaluations: [[expression, $states], …]} and answers {errors: [[message, …], …], values}.
// The validator's own JSONata is the reference implementation, which Step Functions builds on.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.argv[2], "package.json"));
const validate = require("asl-validator");
const jsonata = require("jsonata");

const asked = JSON.parse(readFileSync(0, "utf8"));
const errors = asked.definitions.map((definition) =>
  validate(definition).errors.map((error) => `${error["Error code"]}: ${error.Message ?? error.message ?? ""} ${JSON.stringify(error)}`),
);
const values = [];
for (const [expression, states] of asked.evaluations) {
  try {
    values.push({ value: (await jsonata(expression).evaluate(undefined, { states })) ?? null });
  } catch (error) {
    values.push({ error: error.message });
  }
}
console.log(JSON.stringify({ errors, values }));
