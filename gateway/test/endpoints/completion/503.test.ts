import { answers503 } from '../contract.ts';

answers503('completion');
