/** The text of the simulated model: a sentence that says what it is, over and over. A token is a word. */

const SENTENCE =
  ' Simulated answer: no model wrote this text, every word of it stands for one token, and it goes on until the tokens are used up.';
const WORDS = SENTENCE.match(/ \S+/g)!;
/** Where the n-th word of the sentence begins. */
const STARTS = [...SENTENCE.matchAll(/ \S+/g)].map(({ index }) => index);

/** The token at `index` (from 0), with the space that parts it from the one before. */
export function token(index: number): string {
  const word = WORDS[index % WORDS.length]!;
  return index === 0 ? word.slice(1) : word;
}

/** The first `tokens` tokens (from 0), joined. */
export function text(tokens: number): string {
  const rest = SENTENCE.slice(0, STARTS[tokens % WORDS.length]);
  return (SENTENCE.repeat(Math.floor(tokens / WORDS.length)) + rest).slice(1);
}
