/** JSON objects as text, written in every way that the grammar allows (RFC 8259), for property tests of whoever reads them. */
import fc from 'fast-check';

export interface WrittenField {
  /** As a JSON reader sees it. */
  readonly key: string;
  /** As it stands in the text, without space around it. */
  readonly value: string;
}

export interface WrittenObject {
  readonly text: string;
  readonly fields: readonly WrittenField[];
}

const space = fc.constantFrom('', '', '', ' ', '\n', '\t', '\r\n  ');

/** A string in quotes, some of its characters escaped without need. */
export function written(content: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.tuple(content, fc.infiniteStream(fc.boolean())).map(([text, escapes]) => {
    let out = '';
    for (const character of text)
      out += escapes.next().value ? escaped(character) : JSON.stringify(character).slice(1, -1);
    return `"${out}"`;
  });
}

const { value } = fc.letrec<{ value: string; list: string; map: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom('null', 'true', 'false', '""', '0', '-1.5e3', '1E400', '[]', '{}', '"}"', '"\\\\"', '"\\""'),
    fc.integer().map(String),
    written(fc.string({ unit: 'grapheme', maxLength: 8 })),
    tie('list'),
    tie('map'),
  ),
  list: fc
    .tuple(fc.array(tie('value'), { maxLength: 4 }), space)
    .map(([items, gap]) => `[${gap}${items.join(`${gap},`)}${gap}]`),
  map: fc
    .array(fc.tuple(written(fc.string({ maxLength: 4 })), tie('value')), { maxLength: 4 })
    .map((entries) => `{${entries.map((entry) => entry.join(':')).join(', ')}}`),
}));

/** Objects whose keys are drawn from `keys`, repeats included. */
export function objectText(keys: fc.Arbitrary<string>): fc.Arbitrary<WrittenObject> {
  const field = fc.record({ key: written(keys), value, gap: space, lead: space });
  return fc.tuple(fc.array(field, { maxLength: 8 }), space, space).map(([fields, before, after]) => ({
    text: `${before}{${after}${fields.map(({ key, value, gap, lead }) => `${lead}${key}${gap}:${gap}${value}${lead}`).join(',')}}${before}`,
    fields: fields.map(({ key, value }) => ({ key: JSON.parse(key) as string, value })),
  }));
}

function escaped(character: string): string {
  return [...character]
    .flatMap((each) => each.split(''))
    .map(unicodeEscape)
    .join('');
}

function unicodeEscape(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
