/** What docs/configuration.md says around its tables. The tables themselves are made from the schema. */

export const INTRODUCTION = `<!-- Made by gateway/src/config/reference.ts from the schema. Do not edit: change the schema or reference-words.ts. -->
# Configuration

One YAML file, \`headgate.yaml\`. This is a complete one:

\`\`\`yaml headgate.yaml
region: eu-west
stores: { ledger: sqlite:data/headgate.db }
providers:
  openai: { protocol: openai, baseUrl: https://api.openai.com/v1, apiKey: \${OPENAI_API_KEY} }
  local:  { protocol: openai, baseUrl: http://127.0.0.1:8000/v1 }
models:
  chat:                                        # the name callers use
    maxOutputTokens: 8k
    targets:                                   # tried in this order
      - { provider: local, model: llama, price: { input: 0.20, output: 0.80 } }
      - { provider: openai, model: gpt-5-nano }
tiers:
  free:
    name: Free
    limits:
      - { requests: 5/minute }
      - { tokens: 1M/month, per: organization, timeZone: Europe/Paris }
organizations:
  acme:
    tier: free
    keys:
      web: { hash: "sha256:68576882c58b2fee85f3578df37cc0b3ccf22f25282b0ee7b311ed1dc6f0a96b" }   # printf %s sk-acme-web | sha256sum
\`\`\`

\`npx headgate check headgate.yaml\` says everything that is wrong with it, with line and column, or what it amounts to: prices, limits
in words, warnings. \`npx headgate schema\` prints its JSON Schema, which is also in
[gateway/schema/headgate.schema.json](../gateway/schema/headgate.schema.json): an editor with YAML support completes keys with
\`# yaml-language-server: $schema=...\` in the first line.

- An unknown key, a name written twice, a reference that leads nowhere, an impossible limit: each is an error, and nothing starts.
- \`\${NAME}\` is replaced by the environment variable, in values only; it is an error when that is not set. \`\${NAME:-default}\` has a
  default for one that is not set or empty.
- A change of the file is applied when it is saved (see [operate](operate.md#reload)); \`listen\` and \`stores\` need a restart.
- \`NAME\` below stands for a name you choose, \`[]\` for each item of a list.

| unit | written | range |
| --- | --- | --- |
| a duration | \`500ms\`, \`2s\`, \`15m\`, \`6h\`, \`1d\` | 1 ms to about 24.8 days |
| a size | \`64KiB\`, \`32MiB\`, \`1GiB\`, or bytes | from 1 byte |
| a count | \`5\`, \`20k\`, \`1.5M\`, \`2G\` | 1 to 2^53 - 1; k is 1,000 |
| money | \`20 USD\`, \`0.50 USD\` | at most 9 decimals: it is counted in billionths of a dollar |
| a price | \`0.15\` | USD per million tokens, at most 6 decimals; 0 is free |
| a window | \`second\`, \`minute\`, \`hour\`, \`day\`, \`week\`, \`month\`, \`year\`, or a duration | |`;

/** By the name of a section, what follows its description. */
export const SECTIONS: Readonly<Record<string, string>> = {
  listen:
    'There is no TLS here: put a load balancer or an ingress in front. The admin listener asks for no credential.',
  providers:
    'A provider is an address, a credential and how long to wait for it. Several may have the same address. The default waits are long, because reasoning models are silent for minutes.',
  models:
    'A target without `price` has the price that the list in `@pydantic/genai-prices` gives for exactly this model at this provider (known by its address, else by its name); `headgate check` shows which one.',
  tiers: 'A tier is what is sold: models, limits and the way to more.',
  organizations: 'A key may call what its tier, its organization and the key itself allow.',
};

export const LIMITS = `A limit has exactly one of the first seven keys. A call is bound by the limits of its tier, organization, team, user, key and model
together, and passes all of them or none; each attempt is bound by those of its target. [Limits](limits.md) says how each algorithm
counts and when to choose it.`;

export const LEVELS = `\`model\` counts each model by itself: at a model for everybody together, at a tier for each
organization, elsewhere for whoever the limit belongs to. \`team\` and \`user\` bind keys that have one. \`endUser\` binds calls that name
one, such as with OpenAI's \`user\`; at most 10,000 of an organization are told apart in one hour, and the rest count as one.`;
