// Counts what a page or a worker requests, so that privacy is a number and not a promise.

/**
 * Reports the address of every request, those before the call included.
 * @param {(urls: string[]) => void} report called with new addresses.
 */
export function watchRequests(report) {
  const observer = new PerformanceObserver((list) => report(list.getEntries().map((entry) => entry.name)));
  observer.observe({ type: "resource", buffered: true });
}

/**
 * Counts requests by whether they went to the page's own server.
 * @param {string[]} urls where they went.
 * @returns {{own: number, elsewhere: number}}
 */
export function count(urls) {
  const own = urls.filter((url) => new URL(url).origin === location.origin).length;
  return { own, elsewhere: urls.length - own };
}
