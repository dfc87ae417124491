// What `npm start`, `npm test` and `npm run bench | example | schema` do: set up, then run the program with the Node of this clone.
// Runs on old Nodes.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './child.mjs';
import { nearest } from './nearest.mjs';
import { node, root, setUp } from './setup.mjs';

const EXAMPLES = join(root, 'examples');
const SCHEMA = 'gateway/schema/headgate.schema.json';
const PROGRAMS = {
  start: 'examples/quickstart/run.ts',
  test: 'scripts/test.mjs',
  bench: 'gateway/bench/run.ts',
};

const [what, ...args] = process.argv.slice(2);
if (what === 'example') {
  const program = exampleProgram(args.shift());
  await start(program);
} else if (what === 'schema') {
  setUp();
  const text = execFileSync(node, [join(root, 'gateway/src/cli/main.ts'), 'schema'], { encoding: 'utf8' });
  writeFileSync(join(root, SCHEMA), text);
  console.log(`wrote ${SCHEMA}`);
} else if (PROGRAMS[what] !== undefined) {
  await start(PROGRAMS[what]);
} else {
  stop(`usage: node scripts/run.mjs ${[...Object.keys(PROGRAMS), 'schema', 'example <name>'].join(' | ')}`);
}

async function start(program) {
  setUp();
  process.exit(await run(node, [join(root, program), ...args]));
}

function exampleProgram(name) {
  const titles = exampleTitles();
  if (titles.has(name)) return join('examples', name, 'run.ts');
  const width = Math.max(...[...titles.keys()].map((each) => each.length));
  const list = [...titles].map(([each, title]) => `  ${each.padEnd(width)}  ${title}`);
  const near = name === undefined ? null : nearest(name, [...titles.keys()]);
  const unknown =
    name === undefined ? '' : `There is no example ${name}${near === null ? '' : `; did you mean ${near}?`}\n`;
  return stop(`${unknown}npm run example <name>, where <name> is one of\n${list.join('\n')}`);
}

/** By name, the title that each example's README gives it: `# name: title`. */
function exampleTitles() {
  const names = readdirSync(EXAMPLES).filter((name) => existsSync(join(EXAMPLES, name, 'run.ts')));
  return new Map(
    names.sort().map((name) => {
      const [heading] = readFileSync(join(EXAMPLES, name, 'README.md'), 'utf8').split('\n', 1);
      return [name, heading.slice(`# ${name}: `.length)];
    }),
  );
}

function stop(message) {
  console.error(message);
  process.exit(2);
}
