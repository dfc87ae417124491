// "Did you mean" before anything is installed. Runs on old Nodes.

/** The candidate with the fewest edits from `word`; null when that would be another word altogether. */
export function nearest(word, candidates) {
  const [best] = candidates
    .map((candidate) => ({ candidate, edits: distance(word.toLowerCase(), candidate) }))
    .sort((a, b) => a.edits - b.edits);
  return best !== undefined && best.edits <= Math.max(word.length, best.candidate.length) / 2 ? best.candidate : null;
}

/** Levenshtein's distance, a row at a time. */
function distance(from, to) {
  let above = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (const [index, letter] of [...from].entries()) {
    const row = [index + 1];
    for (let column = 1; column <= to.length; column++) {
      const replaced = above[column - 1] + (letter === to[column - 1] ? 0 : 1);
      row.push(Math.min(replaced, above[column] + 1, row[column - 1] + 1));
    }
    above = row;
  }
  return above[to.length];
}
