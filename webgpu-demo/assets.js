// Files that are large: fetched with progress, verified, and kept in the browser's cache.
// It knows nothing of what is in them.

const CACHE = "labkit-models";
const CDN = "https://cdn.jsdelivr.net/npm/";
const HASHES = { sha256: "SHA-256", sha384: "SHA-384" };

/** Says why something cannot be loaded, and what to do about it. */
export class AssetError extends Error {}

/**
 * Gives the bytes of a file, from the cache where its digest is right, else from the server.
 * @param {string} url where the file lies, relative to the page.
 * @param {string} digest what the content must be: `sha256:<hex>` or `sha384-<base64>`.
 * @param {(bytes: number, total: number, cached: boolean) => void} report called while bytes arrive.
 * @param {string} [elsewhere] where the file lies when the server does not have it.
 * @returns {Promise<Uint8Array>}
 */
export async function load(url, digest, report, elsewhere) {
  const cache = await openCache();
  const kept = await fromCache(cache, url, digest);
  if (kept) {
    report(kept.length, kept.length, true);
    return kept;
  }
  // Not through the browser's HTTP cache, which would keep everything twice, and damage for ever.
  const response = await request(url, "no-store", elsewhere);
  const bytes = await read(response, url, report);
  if (!(await matches(bytes, digest))) {
    throw new AssetError(
      `${url} is damaged: its content is not what this version of the course expects. Nothing of it was used. ` +
        "Restore the file (git checkout -- labkit/models), then press “Try again”.",
    );
  }
  await keep(cache, key(url, digest), bytes);
  return bytes;
}

/** Forgets every file that is kept in the cache. */
export async function clear() {
  if (globalThis.caches) await caches.delete(CACHE);
}

/**
 * Gives a small JSON file, always from the server where it answers.
 * @param {string} url where the file lies.
 */
export async function json(url) {
  const response = await request(url, "no-cache");
  try {
    return await response.json();
  } catch {
    throw new AssetError(`${url} is not JSON. Restore the file (git checkout), then reload the page.`);
  }
}

/** Gives the address of a library's file in the public network, where the version is part of the address. */
export const publicAddress = (library) => CDN + library.package;

async function request(url, cache, elsewhere) {
  let response;
  try {
    response = await fetch(url, { cache });
    if (response.status === 404 && elsewhere) response = await fetch(elsewhere, { cache });
  } catch {
    throw new AssetError(`${url} cannot be reached. Start the server again (labkit webgpu), then press “Try again”.`);
  }
  if (response.ok) return response;
  throw new AssetError(
    `The server does not have ${url} (HTTP ${response.status}). \`labkit webgpu\` serves everything that the page needs.`,
  );
}

async function read(response, url, report) {
  const total = Number(response.headers.get("content-length")) || 0;
  const parts = [];
  let length = 0;
  try {
    for (const reader = response.body.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      length += value.length;
      report(length, Math.max(total, length), false);
    }
  } catch {
    throw new AssetError(`The download of ${url} broke off after ${length} bytes. Press “Try again”.`);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

async function matches(bytes, digest) {
  const [, algorithm, wanted] = /^(sha\d+)[:-](.*)$/.exec(digest);
  const sum = new Uint8Array(await crypto.subtle.digest(HASHES[algorithm], bytes));
  const found = digest.includes(":") ? hex(sum) : btoa(String.fromCharCode(...sum));
  return found === wanted;
}

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

const key = (url, digest) => `${new URL(url, self.location.href).pathname}?${encodeURIComponent(digest)}`;

// Private windows may have no cache; then the page works, and downloads again next time.
const openCache = async () => (globalThis.caches ? caches.open(CACHE).catch(() => null) : null);

async function fromCache(cache, url, digest) {
  const found = await cache?.match(key(url, digest));
  if (!found) return null;
  const bytes = new Uint8Array(await found.arrayBuffer());
  if (await matches(bytes, digest)) return bytes;
  await cache.delete(key(url, digest));
  return null;
}

async function keep(cache, name, bytes) {
  try {
    await cache?.put(name, new Response(bytes));
  } catch (error) {
    if (error.name !== "QuotaExceededError") throw error; // a full disk costs a download, not the page
  }
}
