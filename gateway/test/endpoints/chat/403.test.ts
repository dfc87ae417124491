import { answers403 } from '../contract.ts';

answers403('chat');
