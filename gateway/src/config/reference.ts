/**
 * docs/configuration.md, made from the JSON Schema of the configuration: every key with its default and its unit. A test
 * holds the committed file to it.
 *
 *     npx node gateway/src/config/reference.ts > docs/configuration.md
 */
import { jsonSchemaText } from './json-schema.ts';
import { DIMENSIONS } from './limit-rule.ts';
import { INTRODUCTION, LEVELS, LIMITS, SECTIONS } from './reference-words.ts';

/** The parts of JSON Schema that the configuration's schema uses. */
interface Node {
  readonly description?: string;
  readonly default?: unknown;
  readonly type?: string | readonly string[];
  readonly enum?: readonly string[];
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Node>>;
  readonly additionalProperties?: Node | boolean;
  readonly items?: Node;
  readonly anyOf?: readonly Node[];
}

interface Row {
  readonly key: string;
  readonly default: string;
  readonly meaning: string;
}

/** A limit where it may be written: `tiers.NAME.limits`. */
interface LimitPlace {
  readonly path: string;
  readonly limit: Node;
}

/** What has been met on the way through the schema, to be written once. */
interface Found {
  readonly limits: LimitPlace[];
  /** The path of the first map of timeouts: another one has the same keys, and this one's values for those it leaves out. */
  timeouts: string | null;
}

/** A default told in a description, at its end: `A duration; default 5s.`, `Default: none.` */
const TOLD_DEFAULT = /[.;] [Dd]efault:? (.+)\.$/;

export function configurationReference(): string {
  const schema = JSON.parse(jsonSchemaText()) as Node;
  const found: Found = { limits: [], timeouts: null };
  const sections = Object.entries(schema.properties ?? {}).map(([name, node]) => sectionText(name, node, found));
  return `${[INTRODUCTION, ...sections, limitsText(found.limits)].join('\n\n')}\n`;
}

function sectionText(name: string, node: Node, found: Found): string {
  const rows = rowsBelow(node, name, '', found);
  if (rows.length === 0) return `## ${name}\n\n${table([rowOf(name, node, false)])}`;
  const words = [node.description, SECTIONS[name]].filter((text) => text !== undefined).join(' ');
  return `## ${name}\n\n${words}\n\n${table(rows)}`;
}

/** The keys below `node`. `path` leads to it from the root, `shown` from the heading. */
function rowsBelow(node: Node, path: string, shown: string, found: Found): Row[] {
  if (typeof node.additionalProperties === 'object') {
    return rowsBelow(node.additionalProperties, `${path}.NAME`, `${shown}NAME.`, found);
  }
  return Object.entries(node.properties ?? {}).flatMap(([name, child]) => {
    const here = `${path}.${name}`;
    const row = rowOf(`${shown}${name}`, child, node.required?.includes(name) ?? false);
    const { items } = child;
    const inItems = items === undefined ? '' : '[]';
    if (items !== undefined && isLimit(items)) {
      found.limits.push({ path: here, limit: items });
      return [{ ...row, meaning: `${row.meaning} See [limits](#limits).` }];
    }
    if (name === 'timeouts') {
      const before = found.timeouts;
      if (before !== null)
        return [{ ...row, default: `those of \`${before}\``, meaning: `${row.meaning} The same keys.` }];
      found.timeouts = here;
    }
    const below = [child, ...(child.anyOf ?? []), ...(items === undefined ? [] : [items])];
    return [row, ...below.flatMap((each) => rowsBelow(each, `${here}${inItems}`, `${shown}${name}${inItems}.`, found))];
  });
}

function rowOf(key: string, node: Node, required: boolean): Row {
  const description = node.description ?? '';
  const told = TOLD_DEFAULT.exec(description);
  const meaning = told === null ? description : `${description.slice(0, told.index)}.`;
  const choices = (node.enum ?? []).map((each) => `\`${each}\``);
  return {
    key: `\`${key}\``,
    default: required ? 'required' : (told?.[1] ?? defaultText(node)),
    meaning: choices.length > 1 ? `${meaning} One of ${choices.join(', ')}.` : meaning,
  };
}

function defaultText({ default: value, properties }: Node): string {
  if (value === undefined) return 'none';
  if (properties !== undefined) return '';
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

/** What may be written in a limit is the same everywhere, but for whose use may be added up. */
function limitsText(places: readonly LimitPlace[]): string {
  const { per, ...properties } = places[0]?.limit.properties ?? {};
  const rows = rowsBelow({ properties }, 'limits', '', { limits: [], timeouts: null });
  const levels = places.map(({ path, limit }) => {
    const level = limit.properties?.['per'] ?? {};
    const allowed = (level.enum ?? []).map((each) => `\`${each}\``).join(', ');
    return `| \`${path}\` | ${allowed} | ${defaultText(level)} |`;
  });
  const perTable = ['| in | `per` | default |', '| --- | --- | --- |', ...levels].join('\n');
  return `## limits\n\n${LIMITS}\n\n${table(rows)}\n\n\`per\`: ${per?.description ?? ''} ${LEVELS}\n\n${perTable}`;
}

function isLimit({ properties = {} }: Node): boolean {
  return DIMENSIONS.every((dimension) => Object.hasOwn(properties, dimension));
}

function table(rows: readonly Row[]): string {
  const lines = rows.map((row) => `| ${row.key} | ${row.default} | ${row.meaning} |`);
  return ['| key | default | meaning |', '| --- | --- | --- |', ...lines].join('\n');
}

if (import.meta.main) process.stdout.write(configurationReference());
