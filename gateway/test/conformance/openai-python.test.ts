/** The official SDK for Python sees through Headgate what it sees from the provider. One Python process makes all calls. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import type { Recording } from '../../src/provider/recording.ts';
import { TEST_KEY } from '../fakes/gateway.ts';
import { prerequisite } from '../fakes/prerequisite.ts';
import { python, requirementsIn } from '../fakes/python.ts';
import { operationOf, type Pair, RECORDINGS, requestOf, startPair } from './recorded.ts';

interface PythonOutcome {
  readonly chunks: readonly unknown[];
  readonly value: unknown;
  readonly error: { readonly class: string; readonly status_code: number; readonly code: unknown } | null;
}

const FOLDER = join(import.meta.dirname, 'python');
const interpreter = python({ packages: requirementsIn(join(FOLDER, 'requirements.txt')) });
const needsPython = prerequisite('Python with the openai package', interpreter !== null);
const isAuth = ({ status }: Recording) => status === 401 || status === 402 || status === 403;

let pair: Pair;
let seen: Map<string, { direct: PythonOutcome; through: PythonOutcome }>;
before(async () => {
  pair = await startPair(RECORDINGS);
  seen = interpreter === null ? new Map() : await compare(interpreter);
});
after(() => pair[Symbol.asyncDispose]());

async function compare(command: string): Promise<typeof seen> {
  const child = spawn(command, [join(FOLDER, 'compare.py')], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(
    JSON.stringify({
      clients: {
        direct: { url: `${pair.provider.url}/v1`, key: 'sk-provider' },
        through: { url: `${pair.gateway.dataUrl}/v1`, key: TEST_KEY },
      },
      calls: RECORDINGS.map((recording) => ({
        name: recording.name,
        operation: operationOf(recording),
        bodies: {
          direct: { ...requestOf(recording), model: recording.name },
          through: { ...requestOf(recording), model: pair.alias(recording) },
        },
      })),
    }),
  );
  const results = JSON.parse(await text(child.stdout)) as {
    name: string;
    direct: PythonOutcome;
    through: PythonOutcome;
  }[];
  return new Map(results.map(({ name, ...outcomes }) => [name, outcomes]));
}

for (const recording of RECORDINGS) {
  if (isAuth(recording)) {
    test(`R30: openai (PyPI) sees ${recording.name} as a 502 upstream_auth`, needsPython, () => {
      const { chunks, value, error } = seen.get(recording.name)!.through;
      assert.deepEqual([chunks, value], [[], null]);
      assert.deepEqual([error?.class, error?.status_code, error?.code], ['InternalServerError', 502, 'upstream_auth']);
    });
    continue;
  }
  test(`R22: openai (PyPI) sees ${recording.name} through Headgate as it is`, needsPython, () => {
    const { direct, through } = seen.get(recording.name)!;
    assert.deepEqual(through, direct);
    const { chunks, value, error } = direct;
    assert.ok(chunks.length > 0 || value !== null || error !== null);
    assert.equal(error !== null, recording.status !== 200 || recording.name === 'groq/chat-openai-gpt-oss-120b');
  });
}
