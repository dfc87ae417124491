/**
 * Runs scripts by their digest; by their text where the server does not know them yet, or forbids digests.
 */
import { createHash } from 'node:crypto';
import { type Connection, unavailable } from './connection.ts';

export interface Script {
  readonly source: string;
  readonly digest: string;
  /** Whether it answers bytes. */
  readonly packed: boolean;
}

export function script(source: string, packed = false): Script {
  return { source, digest: createHash('sha1').update(source).digest('hex'), packed };
}

/** Keys and arguments of one call. All keys share a hash tag. */
export interface Call {
  readonly keys: readonly string[];
  readonly args: readonly string[];
}

export class Scripts {
  /** How many calls were sent, those included that were repeated by text. */
  sent = 0;
  readonly #connection: Connection;
  #byText = false;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Throws StoreUnavailable when there is no answer, or an error. */
  async run<Reply>(script: Script, call: Call): Promise<Reply> {
    try {
      return (await this.attempt(script, call)) as Reply;
    } catch (error) {
      throw unavailable(error);
    }
  }

  /** The same with the error as it came. */
  async attempt(script: Script, call: Call): Promise<unknown> {
    let byText = this.#byText;
    if (!byText) {
      try {
        return await this.#send('evalsha', script.digest, script.packed, call);
      } catch (error) {
        byText = isBlocked(error);
        if (!byText && !(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
      }
    }
    const reply = await this.#send('eval', script.source, script.packed, call);
    // Only now: a server that forbids both for a while is asked by digest afterwards.
    if (byText) this.#byText = true;
    return reply;
  }

  #send(command: 'eval' | 'evalsha', text: string, packed: boolean, { keys, args }: Call): Promise<unknown> {
    this.sent++;
    const words = [text, String(keys.length), ...keys, ...args];
    return packed ? this.#connection.callBuffer(command, words) : this.#connection.call(command, words);
  }
}

/** Whether the server does not let this user run the command at all. */
export function isBlocked(error: unknown): boolean {
  return error instanceof Error && /^NOPERM .*\beval|unknown command .?eval/i.test(error.message);
}
