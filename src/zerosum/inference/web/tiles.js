// Translation of images of any size, in tiles where they are large; see zerosum/inference/translator.py.

class Translator {
  #engine;

  constructor(settings, engine) {
    this.settings = settings;
    this.#engine = engine;
  }

  /** The most pixels of an image that is translated: one that needs the whole image at once must fit into memory. */
  get maxPixels() {
    return this.settings.radius === null ? this.settings.max_pixels : Infinity;
  }

  /**
   * Translate an image (channels, height, width) in [-1, 1].
   * @param {{data: Float32Array, dims: number[]}} image
   * @param {bigint} seed of the network's noise
   * @param {(done: number, count: number) => void} progress
   * @param {() => boolean} isStale
   * @returns {Promise<{data: Float32Array, dims: number[]} | null>} (1, C, H, W); null if it became stale meanwhile
   */
  async translate(image, seed, progress, isStale) {
    const [, height, width] = image.dims, { radius, max_whole_pixels: maxWhole } = this.settings;
    if (height * width <= maxWhole || radius === null) return this.#run(image, seed);
    const tile = this.#roundUp(this.settings.tile_pixels), overlap = this.#roundUp(radius);
    const { factor, output_channels: channels } = this.settings;
    const dims = [1, channels, height * factor, width * factor];
    const outputs = { data: new Float32Array(channels * height * width * factor ** 2), dims };
    const columns = Math.ceil(width / tile), count = columns * Math.ceil(height / tile);
    for (let index = 0; index < count; index++) {
      const rows = tileSpan(Math.floor(index / columns) * tile, tile, height, overlap);
      const cols = tileSpan((index % columns) * tile, tile, width, overlap);
      const translated = await this.#run(cut(image, rows, cols), seed);
      if (isStale()) return null;
      paste(outputs, translated, rows, cols, factor);
      progress(index + 1, count);
    }
    return outputs;
  }

  #roundUp(pixels) {
    return Math.ceil(pixels / this.settings.multiple) * this.settings.multiple;
  }

  #run({ data, dims }, seed) {
    return this.#engine.run("translator", {
      image: { data, dims: [1, ...dims] }, seed: { data: BigInt64Array.of(seed), dims: [1] },
    });
  }
}

/** The extent of a tile along one axis in pixels of the input, without and with the overlap. */
function tileSpan(start, tile, length, overlap) {
  const stop = Math.min(start + tile, length);
  return { start, stop, first: Math.max(0, start - overlap), end: Math.min(length, stop + overlap) };
}

function cut({ data, dims: [channels, height, width] }, rows, cols) {
  const tileHeight = rows.end - rows.first, tileWidth = cols.end - cols.first;
  const part = new Float32Array(channels * tileHeight * tileWidth);
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < tileHeight; y++) {
      const from = (c * height + rows.first + y) * width + cols.first;
      part.set(data.subarray(from, from + tileWidth), (c * tileHeight + y) * tileWidth);
    }
  }
  return { data: part, dims: [channels, tileHeight, tileWidth] };
}

/** Put a translated tile, without its overlap, where it belongs. */
function paste(outputs, tile, rows, cols, factor) {
  const [, channels, height, width] = outputs.dims, [, , tileHeight, tileWidth] = tile.dims;
  const left = factor * (cols.start - cols.first), length = factor * (cols.stop - cols.start);
  for (let c = 0; c < channels; c++) {
    for (let y = factor * rows.start; y < factor * rows.stop; y++) {
      const from = (c * tileHeight + y - factor * rows.first) * tileWidth + left;
      outputs.data.set(tile.data.subarray(from, from + length), (c * height + y) * width + factor * cols.start);
    }
  }
}
