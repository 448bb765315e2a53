// The page: switches views, opens faces, and takes dropped photos.

import { json, keepVersion } from "./api.js";
import { Compare } from "./compare.js";
import { find, grouped, notice, ordered } from "./dom.js";
import { Filters } from "./filters.js";
import { Gallery } from "./gallery.js";
import { FaceMap } from "./map.js";
import { Panel } from "./panel.js";
import { TimelineView } from "./timeline.js";

const VIEWS = ["gallery", "map", "timeline", "compare"];
const LARGEST = 10 * 2 ** 20;
const covers = matchMedia("(max-width: 60rem)");
let where = [];
let view = "gallery";
let from = null;

const dataset = await json("/api/v1/dataset").catch((error) => { find("#about").textContent = error.message; throw error; });
dataset.attributes = ordered(dataset.attributes);
keepVersion(dataset.version);
// A row number in the address refers to the version of the dataset that this tab saw last.
if (![null, dataset.version].includes(sessionStorage.getItem("version"))) history.replaceState(null, "", location.hash.split("/")[0] || "#");
sessionStorage.setItem("version", dataset.version);
document.title = `fabnet: ${dataset.name}`;
const people = dataset.identities === 1 ? "1 person" : `${grouped(dataset.identities)} people`;
find("#about").textContent = `${dataset.name}: ${grouped(dataset.faces)} faces, ${people}`;
find("#filters-fold").open = !covers.matches;
find("#photo-button").disabled = Boolean(dataset.photos);
find("#photo-button").title = dataset.photos;

const open = (row) => { from = document.activeElement; go(view, row); };
const gallery = new Gallery(find("#gallery"), dataset, { open, count: (text) => { find("#count").textContent = text; } });
const map = new FaceMap(dataset, { open });
const timeline = new TimelineView(dataset, { open });
const compare = new Compare(dataset, { changed: (count) => { find("#chosen").textContent = count ? ` ${count}` : ""; } });
const panel = new Panel(dataset, {
  open,
  close: () => go(view),
  compare: choose,
  timeline: async ({ video, track, row }) => {
    await timeline.load(video, row, timeline.isApart === false || timeline.data?.video !== video ? "" : timeline.track.value);
    if (timeline.data?.rows[timeline.place] !== row) await timeline.load(video, row, track);
    go("timeline", covers.matches ? null : row);
  },
});
new Filters(dataset, async (found) => {
  where = found;
  await Promise.all([gallery.show(where), map.places ? map.show(where) : null, panel.refresh(where)]);
});

function choose(row) {
  compare.add(row);
  if (compare.rows.length < 2) notice("Chosen as the target; choose one or two more to compare it with.");
  else go("compare");
}

function go(to, row = null) {
  const hash = row === null ? `#${to}` : `#${to}/${row}`;
  // Not by location.hash: the browser would scroll to the element of that name.
  if (location.hash !== hash) history.pushState(null, "", hash);
  follow();
}

/** Shows the view in the address: `#map/12` is the map, with row 12 open. */
function follow() {
  const [name, row] = location.hash.slice(1).split("/");
  view = VIEWS.includes(name) ? name : "gallery";
  for (const each of VIEWS) {
    const tab = find(`#tab-${each}`);
    tab.setAttribute("aria-selected", String(each === view));
    tab.tabIndex = each === view ? 0 : -1;
    find(`#view-${each}`).hidden = each !== view;
  }
  find("#filters").hidden = !["gallery", "map"].includes(view);
  document.body.dataset.view = view;
  notice("");
  if (view !== "timeline") timeline.hide();
  const number = /^\d+$/.test(row ?? "") ? Number(row) : null;
  map.mark(number);
  if (view === "map") map.show(where);
  else if (view === "timeline") timeline.show(number).catch((error) => notice(error.message));
  else if (view === "compare") compare.show();
  gallery.mark(number);
  if (number === null) {
    const was = !find("#panel").hidden;
    panel.hide();
    cover();
    if (was && from?.isConnected) from.focus({ preventScroll: true });
  } else if (panel.shown?.row !== number) {
    panel.face(number, where).then(reveal).catch((error) => notice(error.message));
  }
}

/** On a small screen the panel covers the rest of the page, which is then removed from the keyboard order. */
function cover() {
  for (const each of ["header", "#filters", "#views"]) find(each).inert = covers.matches && !find("#panel").hidden;
}
covers.addEventListener("change", cover);

function reveal() {
  cover();
  find("#panel").scrollTop = 0;
  if (covers.matches || find("#panel").contains(document.activeElement) || document.activeElement === document.body) {
    find("#panel").focus({ preventScroll: true });
  }
}

function search(file) {
  if (!file) return;
  if (dataset.photos) { notice(dataset.photos); return; }
  if (file.size > LARGEST) { notice("The photo is too large; the limit is 10 MiB."); return; }
  history.replaceState(null, "", `#${view}`);
  gallery.mark(null);
  from = find("#photo-button");
  panel.photo(file, where);
  reveal();
}

find("#photo-button").addEventListener("click", () => find("#photo-file").click());
find("#photo-file").addEventListener("change", (event) => { search(event.target.files[0]); event.target.value = ""; });
let inside = 0;
const carries = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
addEventListener("dragenter", (event) => { if (carries(event)) { inside++; find("#drop").hidden = false; } });
addEventListener("dragleave", (event) => { if (carries(event) && --inside <= 0) { inside = 0; find("#drop").hidden = true; } });
addEventListener("dragover", (event) => { if (carries(event)) event.preventDefault(); });
addEventListener("drop", (event) => {
  if (!carries(event)) return;
  event.preventDefault();
  inside = 0;
  find("#drop").hidden = true;
  search(event.dataTransfer.files[0]);
});

const tabs = find("[role=tablist]");
tabs.addEventListener("click", (event) => {
  const to = event.target.closest("[role=tab]")?.dataset.view;
  if (to) go(to, covers.matches || to === "compare" ? null : panel.shown?.row ?? null);
});
tabs.addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const next = VIEWS[(VIEWS.indexOf(view) + step + VIEWS.length) % VIEWS.length];
  go(next);
  find(`#tab-${next}`).focus();
});
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !find("#panel").hidden) go(view);
  if (event.key.toLowerCase() === "c" && !event.ctrlKey && !event.metaKey && !event.altKey) {
    const row = document.activeElement?.closest("button.tile[data-row]")?.dataset.row;
    if (row !== undefined) choose(Number(row));
  }
});
addEventListener("hashchange", follow);
await gallery.show(where);
follow();
document.body.dataset.ready = "yes";
