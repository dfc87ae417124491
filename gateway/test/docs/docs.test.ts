/** What the documentation says is true, as far as a program can tell. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import manifest from '../../../package.json' with { type: 'json' };
import gatewayManifest from '../../package.json' with { type: 'json' };
import { configurationReference } from '../../src/config/reference.ts';
import { ENDPOINTS } from '../../src/endpoints.ts';
import { Metrics } from '../../src/observe/metrics.ts';
import { METRICS } from '../../src/observe/names.ts';
import { openDatabase } from '../../src/stores/ledger/database.ts';
import { Program } from '../examples/program.ts';
import { snapshotFrom } from '../fakes/config.ts';
import { attemptRecord, record } from '../ledger/records.ts';
import { anchors, blocks, links, page, pages, ROOT } from './markdown.ts';

const PAGES = pages();
const OPERATE = page('docs/operate.md').text;

test('the README has at most 120 lines, and ARCHITECTURE.md at most 200', () => {
  assert.ok(page('README.md').text.trimEnd().split('\n').length <= 120);
  assert.ok(page('ARCHITECTURE.md').text.trimEnd().split('\n').length <= 200);
});

test('every relative link leads to a file, and to a heading where it names one', () => {
  const broken = PAGES.flatMap((from) =>
    links(from)
      .filter((link) => !/^[a-z]+:/.test(link))
      .filter((link) => {
        const [file = '', anchor] = link.split('#');
        const path = file === '' ? from.path : normalize(join(dirname(from.path), file));
        if (!existsSync(join(ROOT, path))) return true;
        return anchor !== undefined && !anchors(page(path)).has(anchor);
      })
      .map((link) => `${from.path}: ${link}`),
  );
  assert.deepEqual(broken, []);
});

test('R45: docs/configuration.md is the one that the code makes', () => {
  assert.equal(page('docs/configuration.md').text, configurationReference());
});

test('R45: every configuration shown in full is valid, and nothing in it deserves a warning', () => {
  let shown = 0;
  for (const from of PAGES) {
    for (const { text } of blocks(from).filter(({ info }) => info === 'yaml headgate.yaml')) {
      assert.deepEqual(snapshotFrom(text, { OPENAI_API_KEY: 'sk-test' }).warnings, [], from.path);
      shown++;
    }
  }
  assert.ok(shown >= 3);
});

test('R45: every limit shown by itself is valid', () => {
  const shown = PAGES.flatMap(blocks).filter(({ info }) => info === 'yaml limits');
  assert.ok(shown.length > 0);
  for (const { text } of shown) {
    snapshotFrom(`tiers:\n  t:\n    limits:\n${text.replace(/^/gm, '      ').trimEnd()}\n`);
  }
});

test('every metric is in docs/operate.md with its type and help, and no other is', () => {
  const rows = [...OPERATE.matchAll(/^\| `(headgate_\w+)` \| (\w+) \|[^|]*\| (.+) \|$/gm)];
  const documented = rows.map(([, name, type, help]) => ({ name, type, help }));
  assert.deepEqual(documented, Object.values(METRICS));
});

test("every label of a call's and an attempt's metrics is in docs/operate.md", () => {
  const metrics = new Metrics();
  metrics.count(
    record('req_1', { code: 'timeout_idle', attempts: [attemptRecord({}), attemptRecord({ cost: null })] }),
  );
  for (const [key, samples] of metrics.samples()) {
    const { name, type } = METRICS[key];
    const labels = Object.keys(samples[0]!.labels).join(', ');
    assert.ok(OPERATE.includes(`| \`${name}\` | ${type} | ${labels} |`), key);
  }
});

test("every field of a request's log line is in docs/operate.md", () => {
  const [, log = ''] = /^## The log$([\s\S]*?)^## /m.exec(OPERATE) ?? [];
  const cells = [...log.matchAll(/^\| (`[^|]+`) \|/gm)].flatMap(([, cell = '']) => cell.split(', '));
  assert.deepEqual(cells.map((cell) => cell.replaceAll('`', '')).sort(), Object.keys(record('req_1')).sort());
});

test('every query shown runs on a ledger', (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'headgate-docs-'));
  context.after(() => rmSync(directory, { recursive: true }));
  using database = openDatabase(join(directory, 'ledger.db'));
  const queries = PAGES.flatMap(blocks).filter(({ info }) => info === 'sql');
  assert.ok(queries.length > 0);
  for (const { text } of queries) database.prepare(text).all();
});

test('every command of headgate that is named exists, and every one that exists is in the README', async () => {
  const { stdout } = await new Program('gateway/src/cli/main.ts', ['--help']).ended();
  const known = [...stdout.matchAll(/^ {2}([a-z]+) .*/gm)].map(([, name]) => name).filter((name) => name !== 'help');
  assert.ok(known.includes('serve'));
  for (const { path, text } of PAGES) {
    for (const [, name] of text.matchAll(/(?:npx |`)headgate ([a-z]+)/g))
      assert.ok(known.includes(name), `${path}: ${name}`);
  }
  for (const name of known) assert.ok(page('README.md').text.includes(`\`npx headgate ${name}\``), name);
});

test('every npm script that is named exists', () => {
  const scripts = Object.keys(manifest.scripts);
  for (const { path, text } of PAGES) {
    for (const [, name = ''] of text.matchAll(/npm (?:run )?(start|test|(?<=run )[a-z]+)/g)) {
      assert.ok(scripts.includes(name), `${path}: ${name}`);
    }
  }
});

test('every endpoint is in docs/journey.md', () => {
  const journey = page('docs/journey.md').text;
  for (const { path } of ENDPOINTS) assert.ok(journey.includes(`\`${path.replace(/\/$/, '/{model}')}\``), path);
});

test('every runtime dependency is in ARCHITECTURE.md with a reason, and no other is', () => {
  const [, section = ''] = page('ARCHITECTURE.md').text.split('## Runtime dependencies');
  const rows = section.split('\n## ', 1)[0]!.matchAll(/^\| ([@\w/-]+) \| .+ \| .+ \|$/gm);
  const listed = [...rows].map(([, name]) => name).filter((name) => name !== 'package' && name !== '---');
  assert.deepEqual(listed.sort(), Object.keys(gatewayManifest.dependencies).sort());
});
