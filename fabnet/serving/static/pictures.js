// Pictures of faces. The server forbids the browser to keep them on disk, so this page caches them in its own memory.

import { renew } from "./api.js";

const KEPT_LETTERS = 64 * 2 ** 20;
const AT_ONCE = 6;
const kept = new Map(); // address -> data URL, least recently used first
const wanted = new Map(); // address -> images that wait for it, most recently requested last
const coming = new Map(); // address -> AbortController of its request
let letters = 0;

/** Sets the picture of an image; a cached picture appears at once. */
export function show(image, address) {
  release(image);
  image.dataset.picture = address;
  const data = kept.get(address);
  if (data) {
    kept.delete(address);
    kept.set(address, data);
    image.src = data;
    return;
  }
  const images = wanted.get(address) ?? new Set();
  wanted.set(address, images.add(image));
  next();
}

/** Cancels an image's request for a picture; the fetch is aborted if no other image waits for it. */
export function release(image) {
  const address = image.dataset.picture;
  delete image.dataset.picture;
  const images = wanted.get(address);
  if (!images?.delete(image) || images.size) return;
  wanted.delete(address);
  coming.get(address)?.abort();
}

/** Whether an image waits for its picture. */
export const isComing = (image) => Boolean(wanted.get(image.dataset.picture)?.has(image));

const ahead = []; // images without a place on the page, for pictures that are needed soon
/** Fetches pictures that will be shown soon; those of the last call are no longer needed. */
export function preload(addresses) {
  while (ahead.length < addresses.length) ahead.push(new Image());
  const rest = ahead.filter((image) => !addresses.includes(image.dataset.picture));
  for (const address of addresses) {
    if (kept.has(address) || ahead.some((image) => image.dataset.picture === address)) continue;
    show(rest.pop(), address);
  }
}

function next() {
  const waiting = [...wanted.keys()].filter((address) => !coming.has(address));
  while (coming.size < AT_ONCE && waiting.length) get(waiting.pop());
}

async function get(address) {
  const ending = new AbortController();
  coming.set(address, ending);
  let data = null;
  try {
    const response = await fetch(address, { signal: ending.signal });
    if (response.ok) data = await asData(await response.blob());
    else renew(response);
  } catch (error) {
    if (error.name !== "AbortError") console.warn(`${address}: ${error.message}`);
  }
  coming.delete(address);
  if (data) {
    kept.set(address, data);
    letters += data.length;
    while (letters > KEPT_LETTERS) {
      const [oldest, text] = kept.entries().next().value;
      kept.delete(oldest);
      letters -= text.length;
    }
  }
  if (data || !ending.signal.aborted) { // after an abort, an image may be waiting for the same picture again
    for (const image of wanted.get(address) ?? []) {
      if (data) image.src = data;
      else image.removeAttribute("src");
    }
    wanted.delete(address);
  }
  next();
}

function asData(blob) {
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.onerror = () => failed(reader.error);
    reader.readAsDataURL(blob);
  });
}
