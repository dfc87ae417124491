/** The JSON Schema of `headgate.yaml`, for editors: what may be written, not what it becomes. */
import { z } from 'zod';
import { DIMENSIONS } from './limit-rule.ts';
import { configSchema } from './schema.ts';

/** The schema as text: what `headgate schema` prints and `gateway/schema/headgate.schema.json` holds. */
export function jsonSchemaText(): string {
  const generated = z.toJSONSchema(configSchema, {
    io: 'input',
    override: ({ jsonSchema }) => {
      // That a limit has exactly one dimension is checked in code, which the generator cannot see.
      const names = Object.keys(jsonSchema.properties ?? {});
      if (DIMENSIONS.every((dimension) => names.includes(dimension))) {
        jsonSchema.oneOf = DIMENSIONS.map((dimension) => ({ required: [dimension] }));
      }
    },
  });
  return `${JSON.stringify({ title: 'Headgate configuration', ...generated }, null, 2)}\n`;
}
