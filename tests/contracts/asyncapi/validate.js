// Checks AsyncAPI documents with the official parser: `node validate.js FILE …`. Prints what is wrong as lines of JSON.
import { readFileSync } from 'node:fs';
import { Parser } from '@asyncapi/parser';

const parser = new Parser();
for (const file of process.argv.slice(2)) {
  const { document, diagnostics } = await parser.parse(readFileSync(file, 'utf8'));
  for (const { severity, code, message, path } of diagnostics) {
    console.log(JSON.stringify({ file, severity, code, message, path: path.join('/') }));
  }
  const messages = document ? document.allMessages().all().length : 0;
  const examples = document ? document.allMessages().all().reduce((sum, one) => sum + one.examples().all().length, 0) : 0;
  console.log(JSON.stringify({ file, parsed: Boolean(document), messages, examples }));
}
