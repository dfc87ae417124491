/**
 * The ledger's thread: the only one that touches the database. Answers questions one after the other, in order.
 * After a failure the database is opened anew, so that one that was replaced or repaired is found.
 */
import type { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import { closeDatabase, openDatabase } from './database.ts';
import { Ingest } from './ingest.ts';
import type { Answered, Answers, Asked, Question } from './questions.ts';
import { find, recent } from './reader.ts';
import { ingestSegment } from './segment.ts';
import { endUsersSince, usedSince } from './used.ts';

const path = String(workerData);
let open: { readonly database: DatabaseSync; readonly ingest: Ingest } | null = null;

function opened() {
  if (open === null) {
    const database = openDatabase(path);
    open = { database, ingest: new Ingest(database) };
  }
  return open;
}

function answer(question: Question): Answers[Question['kind']] {
  switch (question.kind) {
    case 'open':
      opened();
      return null;
    case 'ingest':
      return ingestSegment(question.path, opened().ingest);
    case 'usedSince':
      return usedSince(opened().database, question.filter, question.sinceMs, question.untilMs);
    case 'endUsersSince':
      return endUsersSince(opened().database, question.organization, question.sinceMs);
    case 'recent':
      return recent(opened().database, question.most);
    case 'find':
      return find(opened().database, question.id);
    case 'close':
      if (open !== null) closeDatabase(open.database);
      return null;
  }
}

parentPort?.on('message', ({ number, question }: Asked) => {
  let reply: Answered;
  try {
    reply = { number, answer: answer(question) };
  } catch (error) {
    reply = { number, failure: error instanceof Error ? error.message : String(error) };
    if (open?.database.isOpen) open.database.close();
    open = null;
  }
  parentPort?.postMessage(reply);
});
