// Images as bytes: from the numbers of networks, to canvases, grids and PNG files.
//
// A raster is {width, height, channels, data}, with bytes row by row; 1 channel is gray, 2 gray and alpha, 3 RGB and 4 RGBA.

/** @typedef {{width: number, height: number, channels: number, data: Uint8Array}} Raster */

const GRID_GAP = 2;
const MIN_IMAGE_SIDE = 64;
const MAX_GRID_SIDE = 4096;

/** The level 0 to 255 of a number in [-1, 1], rounded half to even as torch and numpy do. */
function toLevel(value) {
  const level = Math.fround(Math.fround(Math.min(1, Math.max(-1, value)) + 1) * 127.5);
  const below = Math.floor(level);
  return level - below === 0.5 ? below + (below % 2) : Math.round(level);
}

/** Image number `index` of a batch. @param {{data: Float32Array, dims: number[]}} batch (N, C, H, W) in [-1, 1] */
function toRaster(batch, index, shown) {
  const [, channels, height, width] = batch.dims, pixels = height * width;
  const data = new Uint8Array(pixels * shown.length);
  shown.forEach((channel, position) => {
    const start = (index * channels + channel) * pixels;
    for (let i = 0; i < pixels; i++) {
      const value = batch.data[start + i];
      data[i * shown.length + position] = toLevel(Number.isNaN(value) ? 0 : value);
    }
  });
  return { width, height, channels: shown.length, data };
}

/** The pixels of a raster as RGBA. @param {Raster} raster */
function toRgba(raster) {
  const { width, height, channels, data } = raster;
  const rgba = new Uint8ClampedArray(width * height * 4);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) rgba[4 * i + c] = data[i * channels + (channels < 3 ? 0 : c)];
    rgba[4 * i + 3] = channels % 2 ? 255 : data[i * channels + channels - 1];
  }
  return rgba;
}

/** Draw a raster on a canvas, which gets its size. */
function paintRaster(canvas, raster) {
  canvas.width = raster.width;
  canvas.height = raster.height;
  canvas.getContext("2d").putImageData(new ImageData(toRgba(raster), raster.width, raster.height), 0, 0);
}

/** How many columns a grid has, as `zerosum sample` arranges it. */
function gridColumns(count, { width, height }) {
  return Math.max(1, Math.min(count, Math.ceil(Math.sqrt(count * height / width))));
}

/** Arrange rasters of one size in a grid, as `zerosum sample` does: small images are enlarged. @param {Raster[]} rasters */
function makeGrid(rasters) {
  const { width, height, channels } = rasters[0];
  const columns = gridColumns(rasters.length, rasters[0]), rows = Math.ceil(rasters.length / columns);
  const wanted = Math.ceil(MIN_IMAGE_SIDE / Math.max(width, height));
  const scale = Math.max(1, Math.min(wanted, Math.floor(MAX_GRID_SIDE / Math.max(rows * height, columns * width))));
  const cellWidth = width * scale + GRID_GAP, cellHeight = height * scale + GRID_GAP;
  const grid = { width: columns * cellWidth - GRID_GAP, height: rows * cellHeight - GRID_GAP, channels };
  const data = new Uint8Array(grid.width * grid.height * channels).fill(255);
  if (channels % 2 === 0) for (let i = channels - 1; i < data.length; i += channels) data[i] = 0;
  rasters.forEach((raster, index) => {
    const left = (index % columns) * cellWidth, top = Math.floor(index / columns) * cellHeight;
    for (let y = 0; y < height * scale; y++) {
      for (let x = 0; x < width * scale; x++) {
        const from = (Math.floor(y / scale) * width + Math.floor(x / scale)) * channels;
        const to = ((top + y) * grid.width + left + x) * channels;
        for (let c = 0; c < channels; c++) data[to + c] = raster.data[from + c];
      }
    }
  });
  return { ...grid, data };
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

function pngChunk(name, content) {
  const chunk = new Uint8Array(content.length + 12), view = new DataView(chunk.buffer);
  view.setUint32(0, content.length);
  chunk.set([...name].map((letter) => letter.charCodeAt(0)), 4);
  chunk.set(content, 8);
  view.setUint32(content.length + 8, crc32(chunk.subarray(4, content.length + 8)));
  return chunk;
}

/**
 * A PNG file with exactly these pixels: a canvas would change the colors of transparent ones.
 * @param {Raster} raster
 * @returns {Promise<Blob>}
 */
async function encodePng({ width, height, channels, data }) {
  const header = new Uint8Array(13), view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, [0, 4, 2, 6][channels - 1]], 8); // 8 bits; gray, gray and alpha, RGB, RGBA
  const stride = width * channels, rows = new Uint8Array((stride + 1) * height); // each row starts with filter 0, none
  for (let y = 0; y < height; y++) rows.set(data.subarray(y * stride, (y + 1) * stride), y * (stride + 1) + 1);
  const deflated = new Blob([rows]).stream().pipeThrough(new CompressionStream("deflate"));
  const content = new Uint8Array(await new Response(deflated).arrayBuffer());
  const signature = Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10);
  const chunks = [pngChunk("IHDR", header), pngChunk("IDAT", content), pngChunk("IEND", new Uint8Array())];
  return new Blob([signature, ...chunks], { type: "image/png" });
}

/** Let the user keep a raster as a PNG file. */
async function savePng(raster, name) {
  saveFile(await encodePng(raster), name, ".png");
}
