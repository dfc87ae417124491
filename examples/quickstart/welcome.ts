/** What a newcomer reads first: where the gateway is, who may do what, and what to try. */
import { createHash } from 'node:crypto';
import { relative } from 'node:path';
import { styleText } from 'node:util';
import type { RunningGateway } from '../../gateway/src/main.ts';
import { limitInWords } from '../../gateway/src/policy/words.ts';

/** Their hashes are in headgate.yaml. They open nothing but this example. */
const DEMO_KEYS = ['sk-demo-free', 'sk-demo-pro', 'sk-demo-enterprise'];
const WIDTH = Math.max(...DEMO_KEYS.map((key) => key.length));

export interface Welcome {
  readonly gateway: RunningGateway;
  /** Where the models' answers come from. */
  readonly models: string;
  readonly configFile: string;
  readonly logFile: string;
}

export function welcome({ gateway, models, configFile, logFile }: Welcome): string {
  const { dataUrl, adminUrl } = gateway;
  const title = (text: string) => styleText('bold', text);
  return `
${title('Headgate is running.')}

  gateway   ${dataUrl}/v1   for any OpenAI SDK
  metrics   ${adminUrl}/metrics
  models    ${models}
  limits    ${fromHere(configFile)}   a change is applied when you save it
  log       ${fromHere(logFile)}

${title('Keys to try')}

${DEMO_KEYS.map((key) => keyText(key, gateway)).join('\n')}

${title('Ask')}

${chat(dataUrl, 'sk-demo-free', 'chat-small')}

${title('Ask, and watch the answer stream')}

${chat(dataUrl, 'sk-demo-pro', 'chat-large', true)}

The sixth request within a minute with sk-demo-free is refused, and says why and until when.
Requests appear below. Ctrl-C stops.
`;
}

/** The key with what it may call, and the caps on that. */
function keyText(key: string, gateway: RunningGateway): string {
  const caller = gateway.config.current.callersByHash.get(createHash('sha256').update(key).digest('hex'));
  if (caller === undefined) return `  ${key.padEnd(WIDTH)}   is no longer in the configuration`;
  const caps = caller.limits.limits().map((limit) => limitInWords(limit).split(' for each ', 1)[0]);
  return [
    `  ${key.padEnd(WIDTH)}   ${[...caller.models].join(', ')}`,
    ...caps.map((cap) => `  ${' '.repeat(WIDTH)}     ${styleText('dim', cap ?? '')}`),
  ].join('\n');
}

function chat(url: string, key: string, model: string, stream = false): string {
  const body = { model, messages: [{ role: 'user', content: 'Hello' }], ...(stream && { stream }) };
  return `  curl ${stream ? '-N ' : ''}${url}/v1/chat/completions \\
    -H 'authorization: Bearer ${key}' -H 'content-type: application/json' \\
    -d '${JSON.stringify(body)}'`;
}

function fromHere(path: string): string {
  const route = relative(process.cwd(), path);
  return route.startsWith('..') ? path : route;
}
