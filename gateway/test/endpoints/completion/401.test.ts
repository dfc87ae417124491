import { answers401 } from '../contract.ts';

answers401('completion');
