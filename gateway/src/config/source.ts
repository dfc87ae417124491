/**
 * A YAML file as data that remembers where everything is written.
 *
 * Invariants
 *  (1) Scalars other than true, false and null are handed on as the text that was written, so that `0.20` is never a float.
 *  (2) Variables are put in after parsing: no value of the environment can change the structure of the file.
 *  (3) No text of the file that could be a secret is in a problem: names and unexpanded references at most.
 */
import * as yaml from 'yaml';
import { type Environment, expand, REFERENCES } from './env.ts';
import { didYouMean, type Path, type Problem, pathText } from './problem.ts';

export interface Source {
  /** Undefined when the syntax is broken. */
  readonly data: unknown;
  /** Broken syntax, names written twice, variables that are not set. */
  readonly problems: readonly Problem[];
  /** The names of the variables that the file refers to. */
  readonly variables: ReadonlySet<string>;
  /** A problem with what is at `path`: its value, or the name that it stands under. */
  problem(path: Path, text: string, part?: Part): Problem;
  /** What is written at `path`, with its references not expanded: fit to be shown. */
  written(path: Path): string;
}

type Part = 'value' | 'name';

/** A problem at an offset of the file. */
type At = (offset: number, path: string, text: string) => Problem;

export function readSource(text: string, file: string, env: Environment): Source {
  const lines = new yaml.LineCounter();
  const document = yaml.parseDocument(mask(text), { lineCounter: lines, uniqueKeys: false, prettyErrors: false });
  const variables = new Set<string>();
  const problems: Problem[] = [];
  const at: At = (offset, path, what) => {
    const { line, col } = lines.linePos(offset);
    return { file, line, column: col, path, text: what };
  };
  const source: Omit<Source, 'data'> = {
    problems,
    variables,
    problem: (path, what, part = 'value') => at(offsetOf(document, path, part), pathText(path), what),
    written: (path) => {
      const node = nodeAt(document, path);
      return yaml.isScalar(node) ? unmask(node.source ?? String(node.value)) : '';
    },
  };

  for (const error of [...document.errors, ...document.warnings])
    problems.push(at(error.pos[0], '', syntaxText(error)));
  if (problems.length > 0) return { ...source, data: undefined };

  yaml.visit(document, {
    Map: (_key, map, ancestors) => {
      problems.push(...duplicates(map, pathOf(ancestors, map), lines, at));
    },
    Alias: (_key, alias, ancestors) => {
      if (alias.resolve(document) !== undefined) return;
      problems.push(at(alias.range![0], pathText(pathOf(ancestors, alias)), 'this alias has no anchor before it'));
    },
    Scalar: (key, scalar, ancestors) => {
      if (scalar.value === null || typeof scalar.value === 'boolean') return;
      const shown = unmask(scalar.source ?? String(scalar.value));
      scalar.value = shown;
      if (key === 'key') return;
      const expanded = expand(shown, env);
      scalar.value = expanded.text;
      for (const name of expanded.used) variables.add(name);
      const path = pathText(pathOf(ancestors, scalar));
      for (const name of expanded.missing) problems.push(at(scalar.range![0], path, missingText(name, env)));
      if (shown.replace(REFERENCES, '').includes('${')) {
        // biome-ignore lint/suspicious/noTemplateCurlyInString: it is what is written in the file
        problems.push(at(scalar.range![0], path, 'a reference is written ${NAME} or ${NAME:-default}'));
      }
    },
  });
  return { ...source, data: plain(document, problems, at) };
}

/** The document as plain data; undefined, with a problem if there is none yet, when its aliases cannot be followed. */
function plain(document: yaml.Document, problems: Problem[], at: At): unknown {
  try {
    return document.toJS();
  } catch {
    if (problems.length === 0) problems.push(at(0, '', 'the aliases multiply without end'));
    return undefined;
  }
}

/**
 * References may stand unquoted inside `{ }` and `[ ]`, where YAML does not allow their braces. So their characters are moved
 * to Unicode's private use area while YAML looks, one for one, which keeps every position.
 */
function mask(text: string): string {
  return text.replace(REFERENCES, (reference) =>
    reference.replace(/[!-~ ]/g, (char) => String.fromCharCode(0xe000 + char.charCodeAt(0))),
  );
}

function unmask(text: string): string {
  return text.replace(/[\uE020-\uE07E]/g, (char) => String.fromCharCode(char.charCodeAt(0) - 0xe000));
}

/** The parser's words up to where they begin to quote the file, which may hold a secret there. */
function syntaxText(error: yaml.YAMLError): string {
  if (error.code === 'MULTIPLE_DOCS') return 'YAML syntax: expected one document, found a second one';
  if (error.code === 'TAG_RESOLVE_FAILED') return 'YAML syntax: this tag is not known';
  return `YAML syntax: ${error.message.split(/: | at line /)[0]}`;
}

function missingText(name: string, env: Environment): string {
  const known = Object.keys(env).filter((other) => env[other] !== undefined);
  const suggestion = didYouMean(name, known);
  return `the environment variable ${name} is not set${suggestion || `; set it or write \${${name}:-default}`}`;
}

function duplicates(map: yaml.YAMLMap, path: Path, lines: yaml.LineCounter, at: At): Problem[] {
  const first = new Map<string, number>();
  const found: Problem[] = [];
  for (const { key } of map.items) {
    if (!yaml.isScalar(key)) continue;
    const name = String(key.value);
    const before = first.get(name);
    if (before === undefined) first.set(name, key.range![0]);
    else {
      const { line } = lines.linePos(before);
      found.push(at(key.range![0], pathText([...path, name]), `written twice, first in line ${line}`));
    }
  }
  return found;
}

/** The path of `node`, from what a visitor passed on its way to it. */
function pathOf(ancestors: readonly unknown[], node: yaml.Node): (string | number)[] {
  const path: (string | number)[] = [];
  const chain = [...ancestors, node];
  for (const [index, ancestor] of chain.entries()) {
    if (yaml.isPair(ancestor)) path.push(String(yaml.isScalar(ancestor.key) ? ancestor.key.value : ancestor.key));
    else if (yaml.isSeq(ancestor) && ancestor !== node) path.push(ancestor.items.indexOf(chain[index + 1]));
  }
  return path;
}

function resolved(document: yaml.Document, node: unknown): unknown {
  return yaml.isAlias(node) ? node.resolve(document) : node;
}

function pairAt(node: unknown, step: string | number): yaml.Pair | undefined {
  if (!yaml.isMap(node)) return undefined;
  return node.items.find(({ key }) => yaml.isScalar(key) && String(key.value) === String(step));
}

function childAt(document: yaml.Document, node: unknown, step: string | number): unknown {
  const child = yaml.isSeq(node) ? node.items[Number(step)] : pairAt(node, step)?.value;
  return resolved(document, child);
}

function nodeAt(document: yaml.Document, path: Path): unknown {
  let node: unknown = document.contents;
  for (const step of path) node = childAt(document, node, step);
  return node;
}

/** Where `path` is written; for what is not there, where the nearest thing above it begins. */
function offsetOf(document: yaml.Document, path: Path, part: Part): number {
  let node: unknown = document.contents;
  let offset = 0;
  for (const [index, step] of path.entries()) {
    const name = pairAt(node, step)?.key;
    const child = childAt(document, node, step);
    if (child === undefined && name === undefined) return offset;
    const last = index === path.length - 1;
    const shown = last && part === 'value' && yaml.isNode(child) ? child : yaml.isNode(name) ? name : child;
    offset = (yaml.isNode(shown) ? shown.range?.[0] : undefined) ?? offset;
    node = child;
  }
  return offset;
}
