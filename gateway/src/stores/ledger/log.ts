/** How the ledger reports what an operator should know. Fields never hold a record's content. */
export type Log = (
  level: 'info' | 'warn' | 'error',
  message: string,
  fields: Readonly<Record<string, string | number>>,
) => void;
