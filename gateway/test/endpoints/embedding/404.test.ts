import { answers404 } from '../contract.ts';

answers404('embedding');
