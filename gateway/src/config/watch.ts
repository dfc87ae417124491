/**
 * Notices that a file became another: written in place, replaced by an editor's rename, or swapped with the symbolic link
 * `..data` beside it, as Kubernetes does with a ConfigMap.
 *
 * Invariants
 *  (1) The directory is watched, not the file: a watch on a file stays with an inode that nobody will write again.
 *  (2) Events only say when to look. What decides is the file's identity, size and time, followed through links.
 *  (3) A file that is not there is not a change: it is away for a moment while it is replaced.
 *  (4) Events get lost (network file systems, a directory replaced): a slow poll finds what they did not report.
 */
import { type FSWatcher, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { Clock, Timer } from '../clock.ts';

/** How long a file must be left alone before it is read: it may be written in several steps. */
export const SETTLE_MS = 100;
export const POLL_MS = 5_000;

/** Kubernetes' link to the directory that holds the current files. */
const CONFIG_MAP_LINK = '..data';

/** Calls `changed` each time that `file` has become another. Returns once watching; the answer ends it. */
export async function watchFile(file: string, clock: Clock, changed: () => void): Promise<() => void> {
  const names = new Set([basename(file), CONFIG_MAP_LINK]);
  let seen = await fingerprint(file);
  let settling: Timer | null = null;
  let watcher: FSWatcher | null = null;
  let closed = false;

  const look = async () => {
    const found = await fingerprint(file);
    if (closed || found === null || found === seen) return;
    seen = found;
    changed();
  };
  const lookSoon = () => {
    clock.clear(settling);
    settling = clock.after(SETTLE_MS, look);
  };
  const listen = () => {
    try {
      watcher = watch(dirname(file), { persistent: false }, (_event, name) => {
        if (name === null || names.has(name)) lookSoon();
      });
      watcher.on('error', () => {
        watcher?.close();
        watcher = null;
      });
    } catch {
      // The directory is away. The poll tries again.
      watcher = null;
    }
  };

  listen();
  const poll = clock.every(POLL_MS, () => {
    if (watcher === null) listen();
    void look();
  });
  return () => {
    closed = true;
    watcher?.close();
    clock.clear(settling);
    clock.clear(poll);
  };
}

/** What tells one state of a file from another; null when there is no file. */
async function fingerprint(file: string): Promise<string | null> {
  try {
    const { dev, ino, size, mtimeNs } = await stat(file, { bigint: true });
    return `${dev} ${ino} ${size} ${mtimeNs}`;
  } catch {
    return null;
  }
}
