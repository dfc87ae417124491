/** Calls and targets for tests of the OpenAI dialect. */
import type { Call, Operation, Target } from '../../../src/call.ts';
import { measureBody } from '../../../src/policy/estimate.ts';
import { sizeOf } from '../../../src/policy/size.ts';
import { read } from '../../../src/protocols/openai/read.ts';

interface CallSetting {
  readonly operation?: Operation;
  /** The name callers use. */
  readonly model?: string;
  readonly maxOutputTokens?: number;
}

/** The call that this body makes. */
export function callOf(body: string | Buffer, setting: CallSetting = {}): Call {
  const operation = setting.operation ?? 'chat';
  const fields = read(operation, Buffer.from(body));
  const model = {
    name: setting.model ?? 'alias',
    targets: [],
    expectedOutputTokens: 100,
    maxOutputTokens: setting.maxOutputTokens ?? null,
    unpriced: 'allow' as const,
    reserve: { output: 'cap' as const, step: 1024 },
    degradeTo: null,
    limits: [],
  };
  const measure = measureBody(fields.body);
  return { ...fields, operation, model, measure, ...sizeOf(fields, model, measure, 4000, operation !== 'embedding') };
}

export function targetOf(model: string, includeUsage = true): Target {
  const provider = {
    name: 'p1',
    protocol: 'openai' as const,
    origin: 'http://127.0.0.1',
    basePath: '/v1',
    credential: [],
    region: 'here',
    includeUsage,
  };
  const timeouts = { connect: 1, headers: 1, firstToken: 1, idle: 1, total: 1 };
  return { id: `p1/${model}`, provider, model, prices: null, timeouts, limits: [] };
}
