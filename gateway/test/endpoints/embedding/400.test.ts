import { answers400 } from '../contract.ts';

answers400('embedding');
