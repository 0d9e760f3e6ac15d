// ajv: does ajv (JSON Schema 2020-12) accept each document?
//
//   node ajv.mjs SCHEMA DOCUMENTS [SCHEMA DOCUMENTS]...
//
// DOCUMENTS is NDJSON. Prints one line for each pair: a 1 for every document
// that is valid and a 0 for every other one. A schema that ajv refuses, in its
// strict mode, ends the program with its sentence and status 3.
import { readFileSync } from 'node:fs';
import Ajv2020 from 'ajv/dist/2020.js';

const pairs = process.argv.slice(2);
for (let i = 0; i < pairs.length; i += 2) {
  // strictTypes and strictRequired are about style: "if" and "then" speak of types that stand further up
  const ajv = new Ajv2020({ strict: true, strictTypes: false, strictRequired: false, validateFormats: false });
  let validate;
  try {
    validate = ajv.compile(JSON.parse(readFileSync(pairs[i], 'utf8')));
  } catch (e) {
    console.error(`${pairs[i]}: ${e.message}`);
    process.exit(3);
  }
  const lines = readFileSync(pairs[i + 1], 'utf8').split('\n').filter((line) => line);
  console.log(lines.map((line) => (validate(JSON.parse(line)) ? '1' : '0')).join(''));
}
