import { answers400, answers400TooManyTokens } from '../contract.ts';

answers400('completion');
answers400TooManyTokens('completion', { model: 'm', prompt: 'x', max_tokens: 1000, n: 2 });
