import { answers504 } from '../contract.ts';

answers504('embedding');
