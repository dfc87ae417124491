/**
 * undici's pool and connector without the rest of it. Its index also loads fetch, WebSocket, caches and mocks: 11 MB of memory and a
 * good part of the start, for nothing that a gateway uses. These paths are undici's own, so its version is pinned.
 */
import { createRequire } from 'node:module';
import type { buildConnector as BuildConnector, Pool as UndiciPool } from 'undici';

const load = createRequire(import.meta.url);

export const Pool: typeof UndiciPool = load('undici/lib/dispatcher/pool.js');
export const buildConnector: typeof BuildConnector = load('undici/lib/core/connect.js');
