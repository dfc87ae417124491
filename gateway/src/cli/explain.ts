/** `headgate explain`: which limits apply to a call and which binds next, or what became of one request and why. */
import type { Environment } from '../config/env.ts';
import type { CallExplanation, RequestExplanation } from '../explain/document.ts';
import { type AdminPlace, adminOrigin, askAdmin } from './admin-client.ts';
import { callText, requestText } from './explain-text.ts';

export interface ExplainOptions extends AdminPlace {
  readonly key?: string | undefined;
  readonly model?: string | undefined;
  readonly endUser?: string | undefined;
  readonly inputTokens?: string | undefined;
  readonly outputTokens?: string | undefined;
  readonly json?: boolean | undefined;
}

export interface ExplainSetting {
  readonly env: Environment;
  /** Takes what was asked for. */
  readonly write: (text: string) => void;
  /** Takes what a person should read when there is no answer, without a line end. */
  readonly say: (line: string) => void;
}

/** Answers the exit code: 0 when there is an explanation, else 1. */
export async function explainCommand(
  requestId: string | undefined,
  options: ExplainOptions,
  { env, write, say }: ExplainSetting,
): Promise<0 | 1> {
  const path = pathOf(requestId, options);
  if (path === null) {
    say('Name a request by its id, or a key and a model: headgate explain --key acme.web --model chat-large.');
    return 1;
  }
  const place = adminOrigin(options, env);
  const reply = 'failure' in place ? place : await askAdmin(place.origin, path);
  if ('failure' in reply) {
    say(printable(reply.failure));
    return 1;
  }
  if (options.json) write(`${JSON.stringify(reply.body, null, 2)}\n`);
  else if (requestId === undefined) write(printable(callText(reply.body as CallExplanation)));
  else write(printable(requestText(reply.body as RequestExplanation)));
  return 0;
}

/** Null where it is neither the one question nor the other. */
function pathOf(requestId: string | undefined, options: ExplainOptions): string | null {
  const { key, model, endUser, inputTokens, outputTokens } = options;
  const given = Object.entries({ key, model, endUser, inputTokens, outputTokens }).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  if (requestId !== undefined) {
    return requestId === '' || given.length > 0 ? null : `/explain/requests/${encodeURIComponent(requestId)}`;
  }
  if (!key || !model) return null;
  return `/explain?${new URLSearchParams(given)}`;
}

/** Names come from others: what would move a terminal's cursor or turn its text around is shown as a code. */
function printable(text: string): string {
  return text.replace(/[^\P{C}\n]/gu, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}
