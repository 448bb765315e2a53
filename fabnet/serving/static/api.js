// What the page asks of the server.

let version = "";
export const keepVersion = (text) => { version = text; };

function address(path, query = {}) {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const each of Array.isArray(value) ? value : [value]) given.append(name, each);
  }
  const text = given.toString();
  return text ? `${path}?${text}` : path;
}

async function answer(path, query, options) {
  const response = await fetch(address(path, query), options);
  if (response.ok) return response;
  const said = await response.json().catch(() => ({}));
  throw new Error(said.detail || `the server answered ${response.status}`);
}

export const json = async (path, query, options) => (await answer(path, query, options)).json();
export const floats = async (path) => new Float32Array(await (await answer(path)).arrayBuffer());
export const bytes = async (path, query) => new Uint8Array(await (await answer(path, query)).arrayBuffer());
export const thumbnail = (row) => `/api/faces/${row}/thumbnail?v=${version}`;
export const crop = (row) => `/api/faces/${row}/crop?v=${version}`;
