/** What a subject of the comparison is: something that can be started in front of the upstream. */
import type { ChildProcess } from 'node:child_process';
import type { KeyName, SubjectName } from '../scenarios.ts';

/** Where a subject starts. */
export interface Site {
  /** An empty folder of its own, for configuration, data and log. */
  readonly folder: string;
  readonly upstreamPort: number;
  readonly core: number | null;
}

export interface Started {
  readonly child: ChildProcess;
  readonly port: number;
  /** Header lines for a request with this key. */
  headers(key: KeyName): readonly string[];
  readonly version: string;
  /** The configuration it runs with, for the record; empty when it has none. */
  readonly configuration: string;
}

export interface Subject {
  readonly name: SubjectName;
  /** Resolves when it accepts connections; rejects, with a reason to print, when it cannot be part of this run. */
  start(site: Site): Promise<Started>;
}

/** The credential of every subject that does not judge it. */
export const ANY_KEY: readonly string[] = ['authorization: Bearer sk-bench'];
