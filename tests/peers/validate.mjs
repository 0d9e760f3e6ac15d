// validate: JSON.parse and ajv over NDJSON, as fast as they go when warm.
//
//   node validate.mjs SCHEMA FILE ROUNDS
//
// Lines are JavaScript strings before the clock starts. Prints one line of
// JSON: the best round of parsing alone and of parsing and validating, in
// microseconds, each the smaller of wall and CPU time.
import { readFileSync } from 'node:fs';
import Ajv2020 from 'ajv/dist/2020.js';

const [schemaFile, file, rounds] = process.argv.slice(2);
const lines = readFileSync(file, 'utf8').split('\n').filter((line) => line);
const ajv = new Ajv2020({ strict: false, validateFormats: false });
const validate = ajv.compile(JSON.parse(readFileSync(schemaFile, 'utf8')));

let invalid = 0;
let seen = 0;
const parse = () => {
  for (const line of lines) seen += Object.keys(JSON.parse(line)).length;
};
const both = () => {
  for (const line of lines) if (!validate(JSON.parse(line))) invalid++;
};

const time = (work) => {
  const cpu = process.cpuUsage();
  const wall = process.hrtime.bigint();
  work();
  const wallUs = Number(process.hrtime.bigint() - wall) / 1000;
  const used = process.cpuUsage(cpu);
  return Math.round(Math.min(wallUs, used.user + used.system));
};

parse();
both();
both();
let parseUs = Infinity;
let bothUs = Infinity;
for (let i = 0; i < Number(rounds); i++) {
  parseUs = Math.min(parseUs, time(parse));
  bothUs = Math.min(bothUs, time(both));
}
console.log(JSON.stringify({ documents: lines.length, invalid, seen, parse_us: parseUs, both_us: bothUs }));
