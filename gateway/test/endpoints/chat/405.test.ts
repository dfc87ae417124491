import { answers405 } from '../contract.ts';

answers405('chat');
