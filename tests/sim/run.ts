import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { PROPERTIES } from "./properties/all.ts";
import type { AnyProperty } from "./properties/property.ts";
import { tryOut } from "./try_out.ts";

const HELP = `Tries every property of whole applies on random machines, on a simulated host and guest.

  deno task sim                                   500 machines for each property, another seed every time
  deno task sim --seed 7 --machines 5000          more of them, and the same ones again
  deno task sim --property kill --property drift  only these properties
  deno task sim --property kill --seed 7 --path 3:1  one sample, as a failure names it
  deno task sim --jobs 1                          one after the other, in this process
`;

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    machines: { type: "string", default: "500" },
    property: { type: "string", multiple: true },
    path: { type: "string" },
    jobs: { type: "string", default: String(availableParallelism()) },
    help: { type: "boolean", short: "h", default: false },
  },
});

/** Ends for wrong words on the command line. */
function refuse(message: string): never {
  console.error(message);
  Deno.exit(3);
}

function wholeNumber(name: string, text: string, least: number): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= least) return number;
  return refuse(`--${name} is a whole number from ${least} on, not "${text}"`);
}

/** One line about a property, and why it does not hold. */
async function tryHere(property: AnyProperty, seed: number, machines: number): Promise<boolean> {
  const tried = await tryOut(property, {
    seed,
    machines,
    ...(values.path === undefined ? {} : { path: values.path }),
  });
  const word = tried.holds ? "holds" : "FAILS";
  const each = `${tried.machines} machines, ${(tried.ms / tried.machines).toFixed(1)} ms each`;
  console.log(`${word}  ${property.name.padEnd(16)} ${each.padEnd(28)} ${property.says}`);
  if (!tried.holds) console.log(tried.failure);
  return tried.holds;
}

/** The same in a process of its own: a property has the variables of its process for itself. */
async function tryApart(property: AnyProperty, seed: number, machines: number): Promise<boolean> {
  const words = ["--property", property.name, "--seed", seed, "--machines", machines, "--jobs", 1].map(
    String,
  );
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", new URL(import.meta.url).pathname, ...words],
    stdin: "null",
  }).output();
  const lines = new TextDecoder().decode(stdout).trimEnd().split("\n");
  console.log(lines.slice(1, -1).join("\n")); // without what is said of all of them
  if (code !== 0 && code !== 1) console.log(new TextDecoder().decode(stderr).trimEnd());
  return code === 0;
}

if (values.help) {
  console.log(`${HELP}\nProperties:`);
  for (const { name, says } of PROPERTIES) console.log(`  ${name.padEnd(16)} ${says}`);
  Deno.exit(0);
}
const machines = wholeNumber("machines", values.machines, 1);
const jobs = wholeNumber("jobs", values.jobs, 1);
const seed = values.seed === undefined
  ? crypto.getRandomValues(new Uint32Array(1))[0]! >>> 1
  : wholeNumber("seed", values.seed, -(2 ** 31));
const known = PROPERTIES.map(({ name }) => name);
const strange = values.property?.find((name) => !known.includes(name));
if (strange !== undefined) refuse(`There is no property "${strange}"; there are: ${known.join(", ")}`);
if (values.path !== undefined && values.property?.length !== 1) refuse("--path needs one --property");

const chosen = PROPERTIES.filter(({ name }) => values.property?.includes(name) ?? true);
console.log(`seed ${seed}, ${machines} machines for each property`);
const tryOne = jobs === 1 || chosen.length === 1 ? tryHere : tryApart;
const waiting = [...chosen];
let failed = 0;
await Promise.all(Array.from({ length: Math.min(jobs, chosen.length) }, async () => {
  for (let property = waiting.shift(); property !== undefined; property = waiting.shift()) {
    if (!await tryOne(property, seed, machines)) failed++;
  }
}));
console.log(`${chosen.length - failed} hold, ${failed} fail`);
Deno.exit(failed === 0 ? 0 : 1);
