import { CHAT } from '../../fakes/stand.ts';
import { answers400, answers400TooManyTokens } from '../contract.ts';

answers400('chat');
answers400TooManyTokens('chat', { ...CHAT, max_tokens: 2000 });
