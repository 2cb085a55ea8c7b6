// Runs the networks of the page in a worker, so that the page never freezes.

/** What the worker runs. It is turned into text, so it uses nothing from outside. */
function workerMain() {
  const sessions = {};
  let ort;

  async function start({ library, wasm, models }) {
    // imported from a blob of the worker's own: a page opened from a file may not share its blobs with a worker
    const address = URL.createObjectURL(new Blob([library], { type: "text/javascript" }));
    ort = await import(address);
    URL.revokeObjectURL(address);
    ort.env.wasm.numThreads = 1; // threads need headers that a file has none of
    ort.env.wasm.wasmBinary = wasm;
    ort.env.logLevel = "error";
    for (const [name, bytes] of Object.entries(models)) {
      sessions[name] = await ort.InferenceSession.create(new Uint8Array(bytes), { executionProviders: ["wasm"] });
    }
  }

  async function run({ model, feeds }) {
    const session = sessions[model], tensors = {};
    for (const name of session.inputNames) {
      const { data, dims } = feeds[name];
      tensors[name] = new ort.Tensor(data instanceof BigInt64Array ? "int64" : "float32", data, dims);
    }
    const output = (await session.run(tensors))[session.outputNames[0]];
    return { data: output.data.slice(), dims: [...output.dims] };
  }

  let last = Promise.resolve(); // a session runs one batch at a time
  self.onmessage = ({ data: message }) => {
    last = last.then(async () => {
      try {
        const result = await (message.models ? start(message) : run(message));
        self.postMessage({ id: message.id, result }, result ? [result.data.buffer] : []);
      } catch (error) {
        self.postMessage({ id: message.id, error: String(error?.message ?? error) });
      }
    });
  };
}

/** Read the bytes that are stored in the page, compressed, under an id. @returns {Promise<ArrayBuffer>} */
async function readStored(id) {
  const text = document.getElementById(id).textContent.trim();
  const bytes = Uint8Array.fromBase64?.(text) ?? Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

/** Float32Array of numbers that are stored as base64 text in the settings of the page. */
function readNumbers(text) {
  return new Float32Array(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
}

class Engine {
  #worker;
  #calls = new Map();
  #count = 0;

  constructor() {
    const source = new Blob([`(${workerMain})()`], { type: "text/javascript" });
    this.#worker = new Worker(URL.createObjectURL(source));
    this.#worker.onmessage = ({ data }) => {
      const { resolve, reject } = this.#calls.get(data.id);
      this.#calls.delete(data.id);
      if (data.error === undefined) resolve(data.result);
      else reject(new Error(data.error));
    };
    this.#worker.onerror = (event) => {
      for (const { reject } of this.#calls.values()) reject(new Error(event.message || "the worker could not start"));
    };
  }

  /** Unpack the runtime and the networks of these names, and get them ready. */
  async start(names) {
    const [library, wasm, ...models] = await Promise.all(["library", "wasm", ...names].map((n) => readStored(n)));
    const named = Object.fromEntries(names.map((name, index) => [name, models[index]]));
    await this.#call({ library, wasm, models: named }, [library, wasm, ...models]);
  }

  /** Run a network. @returns {Promise<{data: Float32Array, dims: number[]}>} its output */
  run(model, feeds) {
    return this.#call({ model, feeds }, []);
  }

  #call(message, transferred) {
    const id = this.#count++;
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject });
      this.#worker.postMessage({ id, ...message }, transferred);
    });
  }
}

/** Runs the newest of the tasks that it is given, one at a time; tasks that newer ones replaced never run. */
class Newest {
  #waiting = null;
  #running = null;

  /** @param {(error: Error) => void} report */
  constructor(report) {
    this.report = report;
  }

  /**
   * @param {(isStale: () => boolean) => Promise<void>} task may stop early once it is stale
   * @returns {Promise<void>} resolved when nothing is left to run
   */
  request(task) {
    this.#waiting = task;
    this.#running ??= this.#run();
    return this.#running;
  }

  async #run() {
    while (this.#waiting) {
      const task = this.#waiting;
      this.#waiting = null;
      try {
        await task(() => this.#waiting !== null);
      } catch (error) {
        this.report(error);
      }
    }
    this.#running = null;
  }
}
