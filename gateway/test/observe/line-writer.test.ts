/** Lines into a pipe whose reader reads only when the test does. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { LineWriter, WAITING_CHARS_MAX } from '../../src/observe/line-writer.ts';
import { turns, until } from '../fakes/until.ts';
import { VirtualClock } from '../fakes/virtual-clock.ts';

const GATHER_MS = 50;
const RETRY_MS = 100;
/** More than a pipe holds (64 KiB), and less than it holds twice. */
const OVER_A_PIPE = 100 * 1024;
const { O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

class PipedWriter {
  readonly clock = new VirtualClock();
  readonly writer: LineWriter;
  /** What was read so far. */
  text = '';
  readonly #reader: number;
  readonly #bytes = Buffer.alloc(128 * 1024);

  constructor(context: TestContext) {
    const directory = mkdtempSync(join(tmpdir(), 'headgate-lines-'));
    const path = join(directory, 'pipe');
    execFileSync('mkfifo', [path]);
    // Without a reader a pipe cannot be opened for writing.
    this.#reader = openSync(path, O_RDONLY | O_NONBLOCK);
    const descriptor = openSync(path, O_WRONLY | O_NONBLOCK);
    this.writer = new LineWriter(descriptor, this.clock);
    context.after(() => {
      closeSync(descriptor);
      closeSync(this.#reader);
      rmSync(directory, { recursive: true });
    });
  }

  get lines(): string[] {
    return this.text.split('\n').slice(0, -1);
  }

  /** Reads what the pipe holds. */
  read(): void {
    try {
      for (let read = -1; read !== 0; ) {
        read = readSync(this.#reader, this.#bytes);
        this.text += this.#bytes.toString('latin1', 0, read);
      }
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'EAGAIN');
    }
  }

  /** Lets the lines that wait be written until the pipe is full and the writer waits to try again. */
  async fill(): Promise<void> {
    this.clock.advance(GATHER_MS);
    await until('the pipe is full', () => this.clock.pending === 1);
  }
}

test('lines are gathered for 50 ms and then written in their order', async (context) => {
  const piped = new PipedWriter(context);
  const { clock, writer } = piped;
  for (const line of ['a', 'b', 'c']) writer.write(`${line}\n`);
  clock.advance(GATHER_MS - 1);
  await turns();
  piped.read();
  assert.equal(piped.text, '');
  clock.advance(1);
  await until('they are written', () => {
    piped.read();
    return piped.text === 'a\nb\nc\n';
  });
  assert.equal(clock.pending, 0);
});

test('what waits for a reader that stopped is bounded; when it reads again it gets all of that in order, and how many lines are missing', async (context) => {
  const piped = new PipedWriter(context);
  const { clock, writer } = piped;
  const first = `first${'.'.repeat(OVER_A_PIPE)}`;
  writer.write(`${first}\n`);
  await piped.fill();

  const length = WAITING_CHARS_MAX / 64;
  const kept = Array.from({ length: 64 }, (_, number) => `${number}`.padEnd(length - 1, '-'));
  for (const line of kept) writer.write(`${line}\n`);
  assert.equal(writer.dropped, 0);
  for (let number = 0; number < 3; number++) writer.write('too much\n');
  assert.equal(writer.dropped, 3);

  await until('all that waited has come', () => {
    piped.read();
    clock.advance(RETRY_MS);
    return piped.lines.length === 1 + kept.length + 1;
  });
  const told = JSON.parse(piped.lines.at(-1)!) as { msg: string; dropped: number };
  assert.deepEqual([told.msg, told.dropped], ['log lines dropped', 3]);
  assert.ok(piped.lines.slice(0, -1).every((line, at) => line === (at === 0 ? first : kept[at - 1])));

  writer.write('later\n');
  await until('the next line has come', () => {
    piped.read();
    clock.advance(GATHER_MS);
    return piped.lines.at(-1) === 'later';
  });
  assert.equal(piped.lines.length, 1 + kept.length + 1 + 1, 'what is missing is told once');
  assert.equal(writer.dropped, 3, 'the count stays');
});

test('flushSync writes what is half written and then what waits, at once', async (context) => {
  const piped = new PipedWriter(context);
  const { clock, writer } = piped;
  const first = 'x'.repeat(OVER_A_PIPE);
  writer.write(`${first}\n`);
  await piped.fill();
  piped.read();
  assert.ok(piped.text.length > 0 && piped.text.length < first.length);
  writer.write('last\n');
  writer.flushSync();
  piped.read();
  assert.ok(piped.text === `${first}\nlast\n`);
  assert.equal(clock.pending, 0);
});

test('flushSync waits for no reader: what a full pipe does not take is given up', async (context) => {
  const piped = new PipedWriter(context);
  const { writer } = piped;
  for (let number = 0; number < 3; number++) writer.write(`${'x'.repeat(OVER_A_PIPE)}\n`);
  writer.flushSync();
  piped.read();
  assert.ok(piped.text.length > 0 && piped.text.length < 3 * OVER_A_PIPE);
});
