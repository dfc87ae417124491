/** What the configuration's schema is put together from: each piece says in its own words what it expects. */
import { z } from 'zod';
import { orElse } from './problem.ts';
import { type Parsed, parseCount, parseDuration, parsePrice, parseSize } from './quantity.ts';

/** A map with these keys and no others. Its message for unknown keys has one line for each of them, in their order. */
export function section<const Shape extends z.core.$ZodShape>(shape: Shape) {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code !== 'unrecognized_keys') return 'expected a map of settings';
      return issue.keys.map((key) => `unknown key${orElse(key, known, 'one of ')}`).join('\n');
    },
  });
}

/** A text (or a number, which is a text to the file's reader) that `parse` turns into a value. */
export function quantity<T>(parse: (text: string) => Parsed<T>) {
  return z.union([z.string(), z.number()], { error: expectedBy(parse) }).transform((given, context): T => {
    const parsed = parse(String(given));
    if ('value' in parsed) return parsed.value;
    context.addIssue({ code: 'custom', message: parsed.problem });
    return z.NEVER;
  });
}

/** What a parser says it expects when it is given nothing at all. */
function expectedBy(parse: (text: string) => Parsed<unknown>): string {
  const parsed = parse('');
  return 'problem' in parsed ? parsed.problem : 'expected a text';
}

export function text(expected: string) {
  return z.string({ error: `expected ${expected}` }).min(1, { error: `expected ${expected}` });
}

export function flag() {
  return z.boolean({ error: 'expected true or false' });
}

export function list<T extends z.core.$ZodType>(item: T, of: string) {
  return z.array(item, { error: `expected a list of ${of}` });
}

export function named<T extends z.core.$ZodType>(kind: string, name: z.ZodString, value: T) {
  return z.record(name, value, { error: `expected a map from the name of each ${kind} to its settings` });
}

/** Ids are put together from names with dots, so names have none. */
export const plainName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/, {
  error: 'expected a name of 1 to 64 letters, digits, "-" or "_"',
});

export const modelName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}$/, {
  error: 'expected a model name of 1 to 128 letters, digits or any of ._:/@-',
});

export const duration = () => quantity(parseDuration);
export const size = () => quantity(parseSize);
export const count = () => quantity(parseCount);
export const price = () => quantity(parsePrice);

/** A secret as it may be written; `readSecrets` finds what it is. */
export function secret(what: string) {
  return z.union(
    [
      z.string(),
      section({ file: text('the path of a file').describe(`A file that holds ${what}; relative to this file.`) }),
    ],
    {
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is what is written in the file
      error: 'expected ${NAME}, { file: path } or a text',
    },
  );
}
