// The page: a camera or a photo, read in this browser.

import { draw } from "./draw.js";
import { Follower } from "./eyes.js";
import { load } from "./load.js";
import { Panel } from "./panel.js";

const find = (selector) => document.querySelector(selector);
const canvas = find("#stage"), say = find("#say"), pace = find("#pace"), camera = find("#camera"), video = find("#video");
const taken = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true, alpha: false });
const MAX_PIXELS = 100_000_000;
const CAMERA = { audio: false, video: { width: { ideal: 640 }, height: { ideal: 480 }, facingMode: "user" } };

let tools = null, panel = null, stream = null, asked = 0;
/** What is shown: { row, ms, frames, name }; for tests and the curious. */
export const shown = { row: null, ms: 0, frames: 0, name: "" };

/** Shows one sentence; is_error marks it as one. */
function tell(text, is_error = false) {
  say.textContent = text;
  say.classList.toggle("error", is_error);
}

/** The pixels of a video or a bitmap. */
function pixels(source, width, height) {
  const { canvas: board } = taken;
  if (board.width !== width || board.height !== height) Object.assign(board, { width, height });
  taken.drawImage(source, 0, 0, width, height);
  return taken.getImageData(0, 0, width, height);
}

function show(row) {
  shown.row = row;
  panel.show(row);
  find("#save").disabled = !row;
}

function empty() {
  show(null);
  canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
  find("figure").classList.add("waiting");
  pace.textContent = "";
}

function stop() {
  asked++;
  stream?.getTracks().forEach((track) => track.stop());
  stream = video.srcObject = null;
  camera.textContent = "Use the camera";
  canvas.classList.remove("mirrored");
  pace.textContent = "";
}

const REFUSED = {
  NotAllowedError: "The camera was refused: allow it for this page in your browser's settings, or choose a photo.",
  NotFoundError: "No camera was found: connect one, or choose a photo.",
  NotReadableError: "Another program is using the camera: close it there, or choose a photo.",
};

async function start() {
  stop();
  const mine = asked;
  if (!navigator.mediaDevices) {
    tell("The browser gives a camera only to pages at localhost or https: open this one there, or choose a photo.", true);
    return;
  }
  tell("Asking for the camera …");
  try {
    const opened = await navigator.mediaDevices.getUserMedia(CAMERA);
    if (mine !== asked) {
      opened.getTracks().forEach((track) => track.stop());
      return;
    }
    stream = video.srcObject = opened;
    await video.play();
  } catch (error) {
    if (mine !== asked) return;
    stop();
    empty();
    tell(REFUSED[error.name] ?? `The camera cannot be used (${error.message}): choose a photo.`, true);
    return;
  }
  stream.getVideoTracks()[0].addEventListener("ended", () => { stop(); tell("The camera has ended."); });
  camera.textContent = "Stop the camera";
  canvas.classList.add("mirrored");
  canvas.setAttribute("aria-label", "the camera's picture with the face that was read");
  Object.assign(shown, { name: "camera", frames: 0 });
  tell("");
  await watch(mine);
}

/** Reads the camera until another thing is asked for. */
async function watch(mine) {
  const follower = new Follower(tools.eyes, tools.detector), times = [], busy = [];
  const next = () => new Promise((done) => { video.requestVideoFrameCallback ? video.requestVideoFrameCallback(done) : requestAnimationFrame(done); });
  while (mine === asked) {
    await next();
    if (mine !== asked) return;
    const { videoWidth: width, videoHeight: height } = video, began = performance.now();
    const row = await follower.next(pixels(video, width, height), began);
    if (mine !== asked) return;
    draw(canvas, taken.canvas, width, height, row);
    find("figure").classList.remove("waiting");
    show(row);
    tell(row ? "" : "No face is seen.");
    times.push(began);
    busy.push(performance.now() - began);
    shown.frames++;
    if (times.length > 30) { times.shift(); busy.shift(); }
    shown.ms = busy.reduce((one, other) => one + other) / busy.length;
    if (times.length > 1 && shown.frames % 10 === 0) {
      const rate = (1000 * (times.length - 1)) / (times.at(-1) - times[0]);
      pace.textContent = `${rate.toFixed(0)} frames a second; ${shown.ms.toFixed(0)} ms to read one`;
    }
  }
}

/** Reads a photo. */
async function photo(file) {
  stop();
  const mine = asked;
  empty();
  tell(`Reading ${file.name} …`);
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    if (mine === asked) tell(`${file.name} is not a picture that this browser can open: choose a JPEG, a PNG or a WebP.`, true);
    return;
  }
  const { width, height } = bitmap;
  let picture = null;
  try {
    if (width * height <= MAX_PIXELS) picture = pixels(bitmap, width, height);
  } catch {
    // too large for this browser's canvas
  }
  if (mine !== asked) return;
  if (!picture) {
    tell(`${file.name} has ${width} × ${height} pixels, more than this browser can read: make it smaller.`, true);
    return;
  }
  await new Promise((done) => { requestAnimationFrame(() => setTimeout(done)); }); // lets the sentence appear
  const began = performance.now(), [found] = await tools.detector.photo(picture);
  const seen = found && await tools.eyes.find(picture, tools.eyes.firstWindow(found));
  if (mine !== asked) return;
  const row = found ? tools.eyes.row(seen, found.score) : null;
  draw(canvas, bitmap, width, height, row);
  bitmap.close();
  find("figure").classList.remove("waiting");
  canvas.setAttribute("aria-label", row ? `${file.name} with the face that was read` : file.name);
  Object.assign(shown, { name: file.name, ms: performance.now() - began });
  show(row);
  if (row) tell("");
  else tell(`No face was found in ${file.name}: choose a picture in which one is larger or less turned away.`, true);
}

function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify({ source: shown.name, ...shown.row }, null, 1)], { type: "application/json" }));
  link.download = `${shown.name.replace(/\.\w+$/, "")}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function listen() {
  camera.addEventListener("click", () => {
    if (stream) { stop(); empty(); tell(""); } else start();
  });
  find("#choose").addEventListener("click", () => find("#file").click());
  find("#file").addEventListener("change", ({ target }) => {
    if (target.files.length) photo(target.files[0]);
    target.value = "";
  });
  find("#save").addEventListener("click", save);
  let depth = 0;
  const over = (by) => { depth = by ? depth + by : 0; document.body.classList.toggle("dropping", depth > 0); };
  addEventListener("dragenter", () => over(1));
  addEventListener("dragleave", () => over(-1));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    over(0);
    const [file] = event.dataTransfer.files;
    if (file) photo(file);
    else tell("That is not a file: drop a photo from your computer.", true);
  });
  addEventListener("paste", (event) => {
    const file = [...event.clipboardData.files].find((each) => each.type.startsWith("image/"));
    if (file) photo(file);
  });
}

try {
  tools = await load();
  panel = new Panel(find("#numbers"), find("#range"), tools.eyes.reader.tasks);
  find("#model").textContent = tools.settings.about;
  find("#notice").hidden = !tools.settings.has_notice;
  listen();
  empty();
  for (const button of [camera, find("#choose")]) button.disabled = false;
  tell("");
  document.body.dataset.ready = "yes";
} catch (error) {
  tell(`The page cannot start: ${error.message}.`, true);
  document.body.dataset.ready = "failed";
}
