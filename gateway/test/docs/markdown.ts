/** The repository's Markdown, taken apart: files, fenced blocks, links and headings. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '../../..');

export interface Page {
  /** Relative to the repository: `docs/limits.md`. */
  readonly path: string;
  readonly text: string;
}

export interface Block {
  /** What stands behind the opening fence: `yaml headgate.yaml`. */
  readonly info: string;
  readonly text: string;
}

/** Every page of the repository but those of installed packages. */
export function pages(): Page[] {
  const below = globSync(['{docs,examples,gateway}/**/*.md'], { cwd: ROOT, exclude: ['**/node_modules/**'] });
  return [...globSync('*.md', { cwd: ROOT }), ...below].sort().map(page);
}

export function page(path: string): Page {
  return { path, text: readFileSync(join(ROOT, path), 'utf8') };
}

export function blocks({ text }: Page): Block[] {
  return [...text.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)].map(([, info = '', block = '']) => ({ info, text: block }));
}

/** The targets of inline links; code is no prose. */
export function links({ text }: Page): string[] {
  const prose = text.replace(/^```[\s\S]*?^```$/gm, '').replace(/`[^`\n]*`/g, '');
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
}

/** The anchors of its headings, as GitHub makes them. */
export function anchors({ text }: Page): Set<string> {
  const headings = text.replace(/^```[\s\S]*?^```$/gm, '').matchAll(/^#+ (.+)$/gm);
  return new Set(
    [...headings].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}
