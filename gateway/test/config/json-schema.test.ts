import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { jsonSchemaText } from '../../src/config/json-schema.ts';
import { loadText } from '../../src/config/load.ts';
import { problemLine } from '../../src/config/problem.ts';
import { TEST_NOW } from '../fakes/config.ts';

interface Node {
  description?: string;
  properties?: Record<string, Node>;
  additionalProperties?: Node | boolean;
  items?: Node;
  anyOf?: Node[];
}

const EVERYTHING = readFileSync(join(import.meta.dirname, 'everything.yaml'), 'utf8');
const load = (text: string) =>
  loadText(text, { name: 'headgate.yaml', directory: import.meta.dirname, env: {}, now: TEST_NOW });

/** Every key that the schema documents, as a path with `*` for names and `[]` for items. */
function documented(node: Node, path = ''): string[] {
  const below = Object.entries(node.properties ?? {}).flatMap(([name, child]) => {
    const here = path === '' ? name : `${path}.${name}`;
    assert.ok(child.description, `${here} has no description`);
    return [here, ...documented(child, here)];
  });
  if (node.properties !== undefined)
    assert.equal(node.additionalProperties, false, `${path} accepts keys that it does not document`);
  else if (typeof node.additionalProperties === 'object')
    below.push(...documented(node.additionalProperties, `${path}.*`));
  if (node.items !== undefined) below.push(...documented(node.items, `${path}[]`));
  for (const variant of node.anyOf ?? []) below.push(...documented(variant, path));
  return below;
}

/** Every key that a configuration uses, in the same form. */
function used(value: unknown, schema: Node, path = ''): string[] {
  const variants = [schema, ...(schema.anyOf ?? [])];
  if (Array.isArray(value)) {
    const items = variants.find((variant) => variant.items !== undefined)?.items ?? {};
    return value.flatMap((item) => used(item, items, `${path}[]`));
  }
  if (typeof value !== 'object' || value === null) return [];
  const map = variants.find((variant) => variant.properties !== undefined);
  return Object.entries(value).flatMap(([name, child]) => {
    if (map === undefined) return used(child, schema.additionalProperties as Node, `${path}.*`);
    const here = path === '' ? name : `${path}.${name}`;
    return [here, ...used(child, map.properties?.[name] ?? {}, here)];
  });
}

test('R45: the published JSON Schema is the one that the code makes', () => {
  const published = readFileSync(join(import.meta.dirname, '../../schema/headgate.schema.json'), 'utf8');
  assert.equal(published, jsonSchemaText());
});

test('R45: every documented key is accepted, and every accepted key is documented', () => {
  const loaded = load(EVERYTHING);
  assert.deepEqual('problems' in loaded ? loaded.problems.map(problemLine) : [], []);
  const schema = JSON.parse(jsonSchemaText()) as Node;
  const all = [...new Set(documented(schema))].sort();
  assert.deepEqual([...new Set(used(parse(EVERYTHING), schema))].sort(), all);
});

test('R45: a key that is not documented is refused wherever it stands', () => {
  const lines = EVERYTHING.split('\n');
  for (const [index, line] of lines.entries()) {
    const key = /^(\s*(?:- )?)(\w+): (?!\{\})\S/.exec(line);
    if (key === null) continue;
    const wrong = lines.with(index, line.replace(key[2]!, 'undocumented')).join('\n');
    const loaded = load(wrong);
    assert.ok('problems' in loaded, line);
    const said = loaded.problems.map(problemLine);
    assert.ok(
      said.some((text) => text.startsWith(`headgate.yaml:${index + 1}:`) && text.includes('unknown key')),
      line,
    );
  }
});
