import { answers413 } from '../contract.ts';

answers413('completion');
