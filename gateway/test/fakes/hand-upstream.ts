/** A model server that a test drives by hand, write by write; and OpenAI's stream events to drive it with. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { listenOnLoopback } from './loopback.ts';

export interface HandUpstream extends AsyncDisposable {
  readonly url: string;
  /** Requests that came, oldest first, each with its body read. */
  readonly calls: readonly HandCall[];
  readonly connections: number;
}

export interface HandCall {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly body: string;
}

/** `answer`, when given, is called with each request. */
export async function startHandUpstream(answer?: (call: HandCall) => void): Promise<HandUpstream> {
  const calls: HandCall[] = [];
  const server = createServer({ noDelay: true }, (request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    request.once('end', () => {
      const call = { request, response, body };
      calls.push(call);
      answer?.(call);
    });
  });
  const loopback = await listenOnLoopback(server);
  return {
    url: `http://${loopback.host}`,
    calls,
    get connections() {
      return loopback.connections;
    },
    [Symbol.asyncDispose]: () => loopback[Symbol.asyncDispose](),
  };
}

export const STREAM_HEADERS = { 'content-type': 'text/event-stream' };

/** One event of a chat stream. */
export function chunk(delta: object, finish: string | null = null): string {
  const choices = [{ index: 0, delta, logprobs: null, finish_reason: finish }];
  return `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices })}\n\n`;
}

export const ROLE: string = chunk({ role: 'assistant', content: '' });
export const FINISH: string = chunk({}, 'stop');
export const DONE = 'data: [DONE]\n\n';
/** An event of content. */
export const word = (text: string): string => chunk({ content: text });
