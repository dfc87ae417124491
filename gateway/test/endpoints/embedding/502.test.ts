import { answers502 } from '../contract.ts';

answers502('embedding');
