/**
 * A process to kill: appends a few records every millisecond, and prints for each tick the monotonic time in
 * nanoseconds and how many records were appended by then. `node appender.ts <database> <prefix of the ids>`
 */
import { writeSync } from 'node:fs';
import { systemClock } from '../../src/clock.ts';
import { openSqliteLedger } from '../../src/stores/ledger/sqlite-ledger.ts';
import { record } from './records.ts';

const [path, prefix] = process.argv.slice(2);
const ledger = await openSqliteLedger({ path: path!, clock: systemClock, log: () => undefined });
let appended = 0;
systemClock.every(1, () => {
  for (let count = 0; count < 3; count++) ledger.append(JSON.stringify(record(`${prefix}_${appended++}`)));
  writeSync(1, `${process.hrtime.bigint()} ${appended}\n`);
});
