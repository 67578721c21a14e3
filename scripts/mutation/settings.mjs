/** What `npm run mutate` chose, for the configurations of StrykerJS and of jest, which run in other processes. */
export const settings = JSON.parse(
  process.env.MUTATION ?? '{"files":[],"tests":[],"processes":[],"sample":0,"seed":0,"report":""}',
);
