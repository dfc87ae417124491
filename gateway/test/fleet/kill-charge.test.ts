import { countersSurviveKills } from './kill-points.ts';

countersSurviveKills('charge');
