import { answers429 } from '../contract.ts';

answers429('chat');
