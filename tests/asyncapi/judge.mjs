// Reads a JSON array of documents from stdin and prints what AsyncAPI's own parser says of each.
import { Parser } from "@asyncapi/parser";
import { json } from "node:stream/consumers";

const parser = new Parser();
const said = [];
for (const text of await json(process.stdin)) {
  const { document, diagnostics } = await parser.parse(text);
  said.push({ parsed: document !== undefined, diagnostics });
}
console.log(JSON.stringify(said));
