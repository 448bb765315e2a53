// The page of live: shows each picture and its readings as the server sends them.

const find = (selector) => document.querySelector(selector);
let isPaused = false;

function fact(name, value) {
  const row = document.createElement("div");
  row.append(Object.assign(document.createElement("dt"), { textContent: name }));
  row.append(Object.assign(document.createElement("dd"), { textContent: value || "–" }));
  return row;
}

const NAMES = ["yaw", "pitch", "roll", "smile", "mouth", "eyes", "expression", "units"];

function card(face) {
  const place = document.createElement("section");
  place.className = face.out_of_range ? "seen-face grey" : "seen-face";
  const facts = document.createElement("dl");
  facts.append(...NAMES.map((name) => fact(name, face[name])));
  place.append(Object.assign(document.createElement("h2"), { textContent: `Face ${face.track}` }), facts);
  if (face.out_of_range) {
    place.append(Object.assign(document.createElement("p"), { className: "say", textContent: `out of range: ${face.out_of_range}` }));
  }
  return place;
}

function show(now) {
  const picture = find("#picture");
  picture.src = now.picture;
  picture.hidden = false;
  find("#seen").classList.toggle("small", now.width < 640);
  find("#about").textContent = now.name;
  find("#say").textContent = now.reason;
  find("#state").replaceChildren(
    fact("rate", `${now.frames_per_s.toFixed(1)} frames/s`), fact("delay", `${now.delay_ms} ms`),
    fact("read", now.frames.toLocaleString("en")), fact("dropped", now.dropped.toLocaleString("en")),
    fact("time", `${now.time_s.toFixed(1)} s`),
  );
  find("#faces").replaceChildren(...now.faces.map(card));
  document.body.dataset.ready = "yes";
}

const events = new EventSource("/api/v1/live");
events.onmessage = (event) => { if (!isPaused) show(JSON.parse(event.data)); };
events.onerror = () => { find("#say").textContent = "the connection is lost; trying again …"; };
events.addEventListener("ended", () => {
  events.close();
  find("#say").textContent = "the camera has ended";
  document.body.dataset.ended = "yes";
});

find("#pause").addEventListener("click", () => {
  isPaused = !isPaused;
  find("#pause").textContent = isPaused ? "Go on" : "Pause";
  find("#pause").setAttribute("aria-pressed", String(isPaused));
});
