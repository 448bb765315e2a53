// Fetches the models, all from this page's own folder, and opens them with ONNX Runtime Web.

import * as ort from "./ort/ort.js";
import { Detector } from "./detect.js";
import { Eyes } from "./eyes.js";
import { FaceReader } from "./reader.js";

async function bytes(name) {
  const answer = await fetch(new URL(name, import.meta.url));
  if (!answer.ok) throw new Error(`${name} is missing beside this page (${answer.status})`);
  return answer.arrayBuffer();
}

/** Everything that reads faces: { settings, eyes, detector }. */
export async function load() {
  const settings = JSON.parse(new TextDecoder().decode(await bytes("page.json")));
  ort.env.wasm.numThreads = 1; // more need headers that a static server does not send
  ort.env.wasm.wasmPaths = { wasm: new URL("ort/ort.wasm", import.meta.url).href };
  ort.env.logLevel = "error";
  const [encoder, yunet, reader] = await Promise.all([settings.encoder, "models/yunet.onnx", "models/reader.safetensors"].map(bytes));
  const open = (model, options) => ort.InferenceSession.create(new Uint8Array(model), { executionProviders: ["wasm"], ...options });
  const network = await open(encoder), finder = await open(yunet, { enableMemPattern: false });

  const encode = async (image) => {
    const images = new ort.Tensor("float32", image, [1, 3, settings.size, settings.size]);
    const made = await network.run({ [network.inputNames[0]]: images });
    return made[network.outputNames[0]].data;
  };
  const detect = async (image, height, width) => {
    const made = await finder.run({ image: new ort.Tensor("uint8", image, [1, height, width, 3]) });
    return { scores: made.score.data, boxes: made.box.data };
  };
  const eyes = new Eyes(settings, encode, new FaceReader(reader, settings.reader));
  return { settings, eyes, detector: new Detector(settings.detector, detect) };
}
