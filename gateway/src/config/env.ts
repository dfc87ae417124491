/** The environment: the only place that reads it, and how `${NAME}` in a configuration refers to it. */

export type Environment = Readonly<Record<string, string | undefined>>;

/** `${NAME}` or `${NAME:-default}`, on one line. */
export const REFERENCES: RegExp = /\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}\n]*))?\}/g;

/** Variables with this prefix are Headgate's, so one that nothing refers to is probably a mistake. */
export const PREFIX = 'HEADGATE_';

export function processEnvironment(): Environment {
  return process.env;
}

export interface Expanded {
  readonly text: string;
  /** Every variable referred to. */
  readonly used: readonly string[];
  /** Those of `used` that are not set and have no default. */
  readonly missing: readonly string[];
}

/** Replaces each reference by the variable's value; the default stands in for one that is not set or empty, as in a shell. */
export function expand(text: string, env: Environment): Expanded {
  const used: string[] = [];
  const missing: string[] = [];
  const expanded = text.replace(REFERENCES, (_reference, name: string, fallback: string | undefined) => {
    used.push(name);
    const value = env[name];
    if (fallback !== undefined) return value === undefined || value === '' ? fallback : value;
    if (value === undefined) missing.push(name);
    return value ?? '';
  });
  return { text: expanded, used, missing };
}
