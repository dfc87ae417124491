/** What a machine may lack: a test that needs it is skipped and says so, and in CI it fails instead. */

/** Set to `all` where nothing may be skipped. */
const REQUIRE = 'HEADGATE_TEST_REQUIRE';

/**
 * Options for `test()`: runs when `name` is available, is skipped by that name otherwise.
 * @throws Error when it is not available and `HEADGATE_TEST_REQUIRE=all`.
 */
export function prerequisite(name: string, available: boolean): { readonly skip: string | false } {
  if (available) return { skip: false };
  if (process.env[REQUIRE] === 'all')
    throw new Error(`${name} is not available, and ${REQUIRE}=all wants every test run`);
  return { skip: `${name} is not available` };
}
