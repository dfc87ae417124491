/** A Python with the packages that the endpoint needs: a virtual environment in .cache, made once for each set of requirements. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const REQUIREMENTS = join(import.meta.dirname, 'requirements.txt');
const CACHE = join(import.meta.dirname, '../../.cache');
/** The first version for which the requirements have packages. */
const OLDEST = [3, 9] as const;
const ASK = 'import sys; print(sys.version_info[0], sys.version_info[1], sys.executable)';

/** Says what is missing and how to get it. */
export class PythonMissing extends Error {}

/** A Python that can make virtual environments. @throws PythonMissing */
export async function findPython(): Promise<{ readonly path: string; readonly version: string }> {
  for (const command of ['python3', 'python', 'py']) {
    const answer = await execute(command, ['-c', ASK]).catch(() => null);
    const [, major, minor, path] = /^(\d+) (\d+) (.+)/.exec(answer?.stdout ?? '') ?? [];
    if (path === undefined || Number(major) !== OLDEST[0] || Number(minor) < OLDEST[1]) continue;
    const version = `${major}.${minor}`;
    const complete = await execute(path, ['-c', 'import venv, ensurepip']).then(
      () => true,
      () => false,
    );
    if (complete) return { path, version };
    throw new PythonMissing(
      `Python ${version} is here without venv and pip. On Debian and Ubuntu: apt install python3-venv`,
    );
  }
  throw new PythonMissing(
    `The endpoint of this example needs Python ${OLDEST.join('.')} or later, and there is none. Install it:
  Debian, Ubuntu   apt install python3 python3-venv
  macOS            brew install python
  Windows          winget install Python.Python.3.13`,
  );
}

/** The Python of the virtual environment. `say` is told about what takes long; `signal` ends it. @throws PythonMissing */
export async function endpointPython(say: (line: string) => void, signal: AbortSignal): Promise<string> {
  const { path, version } = await findPython();
  const wanted = createHash('sha256').update(path).update(version).update(readFileSync(REQUIREMENTS)).digest('hex');
  const place = join(CACHE, `first-limit-${wanted.slice(0, 12)}`);
  if (!existsSync(place)) {
    say(`Installing FastAPI and uvicorn for Python ${version} into .cache (first run only) ...`);
    await makeEnvironment(path, place, signal);
  }
  return pythonOf(place);
}

/** Makes it beside its place and moves it there whole, so that an interrupted run leaves no half of one. */
async function makeEnvironment(python: string, place: string, signal: AbortSignal): Promise<void> {
  const draft = `${place}.${process.pid}`;
  try {
    await execute(python, ['-m', 'venv', draft], { signal });
    const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps', '-r', REQUIREMENTS];
    await execute(pythonOf(draft), install, { signal });
    renameSync(draft, place);
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string };
    // Whoever made the same one first has made it for both.
    if (existsSync(place)) return;
    throw new PythonMissing(`What the endpoint needs could not be installed:\n${stderr?.trim() || message}`);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

function pythonOf(environment: string): string {
  return join(environment, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');
}
