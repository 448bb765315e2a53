// Requests to the server.

let version = "";
export const keepVersion = (text) => { version = text; };

function address(path, query = {}) {
  const given = new URLSearchParams(version ? { v: version } : {});
  for (const [name, value] of Object.entries(query)) {
    for (const each of Array.isArray(value) ? value : [value]) given.append(name, each);
  }
  const text = given.toString();
  return text ? `${path}?${text}` : path;
}

/** Reloads the page if the dataset was rewritten, because its row numbers changed. */
export function renew(response) {
  if (response.status === 410) location.reload();
}

async function answer(path, query, options) {
  const response = await fetch(address(path, query), options);
  if (response.ok) return response;
  renew(response);
  const said = await response.json().catch(() => ({}));
  throw new Error(said.detail || `the server answered ${response.status}`);
}

export const json = async (path, query, options) => (await answer(path, query, options)).json();
export const floats = async (path) => new Float32Array(await (await answer(path)).arrayBuffer());
export const bytes = async (path, query) => new Uint8Array(await (await answer(path, query)).arrayBuffer());
export const thumbnail = (row) => address(`/api/v1/faces/${row}/thumbnail`);
export const crop = (row) => address(`/api/v1/faces/${row}/crop`);
