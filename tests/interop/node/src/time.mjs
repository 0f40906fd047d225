export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** What `promise` gives, or `otherwise` after so many milliseconds. */
export function within(ms, promise, otherwise) {
  let timer;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, ms, otherwise)));
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
