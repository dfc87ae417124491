/** Recorded payloads in every framing that the specification of server-sent events allows (WHATWG HTML, 9.2.5). */
import { cut } from '../../src/provider/cut.ts';
import type { Recording } from '../../src/provider/recording.ts';

/** The largest event that is still held until it is whole is smaller than this line. */
const LONG_LINE_BYTES = 1024 * 1024;

type Framing = (payload: string, index: number) => string;

// biome-ignore format: a table
const FRAMINGS: Readonly<Record<string, Framing>> = {
  'lines that end in CRLF': (payload) => `data: ${payload}\r\n\r\n`,
  'lines that end in CRLF and LF in turns': (payload, index) => `data: ${payload}${['\n\n', '\r\n\r\n', '\n\r\n', '\r\n\n'][index % 4]}`,
  'comments between and inside events': (payload, index) => `: ping ${index}\n\n: again\r\ndata: ${payload}\n: last\n\n`,
  'no space behind the colon': (payload) => `data:${payload}\n\n`,
  'data in several lines': (payload) => `data: ${lines(payload).join('\ndata: ')}\n\n`,
  'data in several lines that end in CRLF': (payload) => `data: ${lines(payload).join('\r\ndata: ')}\r\n\r\n`,
  'names, ids and retry times': (payload, index) => `event: message\nid: ${index}\nretry: 10\ndata: ${payload}\nnobody: knows\n\n`,
  'more blank lines than needed': (payload) => `\n\r\ndata: ${payload}\n\n\n\n`,
};

/** The recording's payloads, framed anew; by the framing's description. */
export function framingsOf(recording: Recording): Map<string, Buffer> {
  const payloads = payloadsOf(recording);
  const framed = new Map(Object.entries(FRAMINGS).map(([name, framing]) => [name, join(payloads, framing)]));
  framed.set('a byte order mark', Buffer.concat([Buffer.from('\ufeff'), recording.body]));
  framed.set('a last event without its blank line', Buffer.from(recording.body.toString('utf8').trimEnd()));
  return framed;
}

/** The stream with a line of one mebibyte: a chunk as large as an image or a tool's argument can make it. */
export function withLongLine(recording: Recording): Buffer {
  const chunk = { choices: [{ index: 0, delta: { content: '字'.repeat(LONG_LINE_BYTES / 3) }, finish_reason: null }] };
  const [first, ...rest] = payloadsOf(recording);
  return join([first!, JSON.stringify(chunk), ...rest], (payload) => `data: ${payload}\n\n`);
}

function payloadsOf(recording: Recording): string[] {
  return cut(recording.body, 'event', { next: () => 0 })
    .map((event) => /^data: ?(.*)$/m.exec(event.toString('utf8'))?.[1]?.trimEnd())
    .filter((payload) => payload !== undefined);
}

function lines(payload: string): string[] {
  return payload.startsWith('{') ? JSON.stringify(JSON.parse(payload), null, 1).split('\n') : [payload];
}

function join(payloads: readonly string[], framing: Framing): Buffer {
  return Buffer.from(payloads.map(framing).join(''));
}
