// Samples of a generator, edited in its latent space Z, or, if the network has styles, in its style space W.
//
// The code of a sample is its latent, or the styles of all layers; see zerosum/inference/latent_space.py.

/** @typedef {{latent: Float32Array, label: number, weights: Float32Array | null, seed: bigint}} Sample */

/** Rows of one length as one array. */
function stack(rows) {
  const stacked = new Float32Array(rows.length * rows[0].length);
  rows.forEach((row, index) => stacked.set(row, index * row.length));
  return stacked;
}

class Generator {
  #engine;
  #sigmas = new Map();

  constructor(settings, engine) {
    this.settings = settings;
    this.classes = settings.classes;
    this.styles = settings.styles;
    this.layers = settings.styles ? settings.styles.layers : 1;
    this.meanStyle = settings.styles ? readNumbers(settings.styles.mean) : null;
    this.methods = settings.directions.map((method) => ({ ...method, vectors: this.#split(method.vectors) }));
    this.#engine = engine;
  }

  /** Split stored numbers into one vector for each direction. */
  #split(text) {
    const numbers = readNumbers(text), size = this.styles ? this.styles.size : this.settings.latent.size;
    return Array.from({ length: numbers.length / size }, (_, d) => numbers.subarray(d * size, (d + 1) * size));
  }

  /** The truncation at which nothing is truncated. */
  get noTruncation() {
    return this.styles ? 1 : Infinity;
  }

  /** Class weights of one class; null for a generator without classes. */
  weightsOf(label) {
    return this.classes.length ? Float32Array.from(this.classes, (_, index) => Number(index === label)) : null;
  }

  /** Sample number `index` of a seed. @param {number} label -1: as frequent as in the data @returns {Sample} */
  draw(seed, index, label, truncation) {
    const sampleSeed = deriveSeed(seed, index);
    const drawn = this.classes.length && label < 0 ? drawClass(this.settings.priors, sampleSeed) : label;
    const latent = drawLatent(this.settings.latent, sampleSeed, this.styles ? Infinity : truncation);
    return { latent, label: drawn, weights: this.weightsOf(drawn), seed: toInt64(sampleSeed) };
  }

  /** The codes of samples. @returns {Promise<Float32Array[]>} */
  async codes(samples, truncation) {
    if (!this.styles) return samples.map(({ latent }) => latent);
    const feeds = this.#feeds(samples.map(({ latent }) => latent), samples.map(({ weights }) => weights), []);
    const { data } = await this.#engine.run("mapping", feeds);
    const { size } = this.styles;
    return samples.map((_, n) => {
      const code = new Float32Array(size * this.layers);
      for (let i = 0; i < code.length; i++) {
        const mean = this.meanStyle[i % size];
        code[i] = mean + truncation * (data[n * size + (i % size)] - mean);
      }
      return code;
    });
  }

  #feeds(rows, weights, seeds) {
    const count = rows.length, feeds = { latent: { data: stack(rows), dims: [count, rows[0].length] } };
    if (weights[0]) feeds.label = { data: stack(weights), dims: [count, weights[0].length] };
    if (seeds.length) feeds.seed = { data: BigInt64Array.from(seeds), dims: [count] };
    return feeds;
  }

  /**
   * The images of codes.
   * @param {Float32Array[]} codes
   * @param {(Float32Array | null)[]} weights class weights of each
   * @param {bigint[]} seeds of the noise of each
   * @returns {Promise<Raster[]>}
   */
  async generate(codes, weights, seeds) {
    const feeds = this.#feeds(codes, weights, seeds);
    if (this.styles) feeds.styles = { data: feeds.latent.data, dims: [codes.length, this.layers, this.styles.size] };
    const batch = await this.#engine.run(this.styles ? "synthesis" : "generator", feeds);
    return codes.map((_, index) => toRaster(batch, index, this.settings.shown));
  }

  /** The seed of the noise of an edited sample: without noise of its own, as `zerosum edit` has it, if there is such a seed. */
  editSeed(sample) {
    return this.settings.still_seed === null ? sample.seed : BigInt(this.settings.still_seed);
  }

  /** Standard deviations of codes along the directions of a method: the unit of edits. */
  sigmas(method, label, truncation) {
    const stored = this.methods[method].sigmas, own = stored[this.styles && stored.length > 1 ? label : 0];
    if (this.styles) return own.map((sigma) => sigma * truncation);
    if (truncation === Infinity) return own;
    const key = `${method} ${truncation}`;
    if (!this.#sigmas.has(key)) this.#sigmas.set(key, this.#measureSigmas(this.methods[method].vectors, truncation));
    return this.#sigmas.get(key);
  }

  #measureSigmas(vectors, truncation) {
    const { count, seed } = this.settings.direction_samples;
    const sums = vectors.map(() => 0), squares = vectors.map(() => 0);
    for (let index = 0; index < count; index++) {
      const { latent } = this.draw(BigInt(seed), index, 0, truncation);
      vectors.forEach((vector, d) => {
        const length = vector.reduce((sum, value, i) => sum + value * latent[i], 0);
        sums[d] += length;
        squares[d] += length * length;
      });
    }
    return sums.map((sum, d) => Math.sqrt(squares[d] / count - (sum / count) ** 2));
  }

  /** A code moved along directions. @param {number[]} offsets in standard deviations @param {[number, number]} layers */
  edit(code, method, offsets, sigmas, layers) {
    const size = code.length / this.layers, edited = code.slice();
    this.methods[method].vectors.forEach((vector, d) => {
      const distance = (offsets[d] ?? 0) * sigmas[d];
      if (!distance) return;
      for (let layer = layers[0]; layer < layers[1]; layer++) {
        for (let i = 0; i < size; i++) edited[layer * size + i] += distance * vector[i];
      }
    });
    return edited;
  }

  /** The code of one sample with some layers of another's. @param {[number, number]} layers first and end */
  mix(code, other, [first, end]) {
    const size = code.length / this.layers, mixed = code.slice();
    mixed.set(other.subarray(first * size, end * size), first * size);
    return mixed;
  }
}
