/**
 * The ledger's thread as seen from the event loop.
 *
 * Invariants
 *  (1) Every question is answered or fails, also when the thread dies.
 *  (2) A thread that died is started again by the next question, never by itself.
 */
import { Worker } from 'node:worker_threads';
import type { Answered, Answers, Asked, Question } from './questions.ts';

interface Waiting {
  readonly resolve: (answer: never) => void;
  readonly reject: (error: Error) => void;
}

/** Beside this file, with its own extension: `.ts` when run from source, `.js` once compiled. */
const WORKER = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url);

export class LedgerThread {
  #file: URL;
  #database: string;
  #worker: Worker | null = null;
  #asked = 0;
  #waiting = new Map<number, Waiting>();

  /** `database` is the path of the database file. */
  constructor(database: string, file: URL = WORKER) {
    this.#database = database;
    this.#file = file;
  }

  /** Rejects with what the database said, or with why the thread died. */
  ask<K extends Question['kind']>(question: Extract<Question, { kind: K }>): Promise<Answers[K]> {
    return new Promise((resolve, reject) => {
      this.#worker ??= this.#start();
      const number = ++this.#asked;
      this.#waiting.set(number, { resolve, reject });
      this.#worker.postMessage({ number, question } satisfies Asked);
    });
  }

  /** Closes the database and ends the thread. */
  async close(): Promise<void> {
    const worker = this.#worker;
    if (worker === null) return;
    try {
      await this.ask({ kind: 'close' });
    } finally {
      await worker.terminate();
    }
  }

  #start(): Worker {
    const worker = new Worker(this.#file, { workerData: this.#database, name: 'ledger' });
    worker.on('message', (answered: Answered) => this.#answered(answered));
    worker.on('error', (error) => this.#died(worker, `the ledger's thread failed: ${String(error)}`));
    worker.on('exit', (code) => this.#died(worker, `the ledger's thread ended with code ${code}`));
    return worker;
  }

  #answered(answered: Answered): void {
    const waiting = this.#waiting.get(answered.number);
    this.#waiting.delete(answered.number);
    if ('failure' in answered) waiting?.reject(new Error(answered.failure));
    else waiting?.resolve(answered.answer as never);
  }

  #died(worker: Worker, why: string): void {
    if (this.#worker !== worker) return;
    this.#worker = null;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(new Error(why));
  }
}
