/** What `/metrics` says now, by series as it is written there: `headgate_x_total{code="y"}`. */
import { send } from './http-client.ts';

export async function scrape(adminUrl: string): Promise<ReadonlyMap<string, number>> {
  const { text } = await send({ url: adminUrl, method: 'GET', path: '/metrics' });
  return new Map(text.split('\n').flatMap(seriesOf));
}

function seriesOf(line: string): [string, number][] {
  if (line === '' || line.startsWith('#')) return [];
  const space = line.lastIndexOf(' ');
  return [[line.slice(0, space), Number(line.slice(space + 1))]];
}
