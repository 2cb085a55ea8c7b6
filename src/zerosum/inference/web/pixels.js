// Images of the user as pixels, exactly as their files hold them, and as inputs of a translator.

const MAX_SIDE = 16384;

/** Decode an image file, upright, without changing its colors. @returns {Promise<ImageBitmap>} */
function decodeFile(file, width, height) {
  const size = width ? { resizeWidth: width, resizeHeight: height, resizeQuality: "high" } : {};
  const asStored = { imageOrientation: "from-image", colorSpaceConversion: "none", premultiplyAlpha: "none" };
  return createImageBitmap(file, { ...asStored, ...size });
}

/** The pixels of a bitmap as RGBA, not multiplied by alpha: by WebGL, since a 2-D canvas would change transparent ones. */
function readBitmap(bitmap) {
  const { width, height } = bitmap, gl = new OffscreenCanvas(1, 1).getContext("webgl");
  if (!gl || Math.max(width, height) > gl.getParameter(gl.MAX_TEXTURE_SIZE)) return readOpaque(bitmap);
  gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
  gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
  gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
  gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, gl.getParameter(gl.TEXTURE_BINDING_2D), 0);
  const rgba = new Uint8Array(width * height * 4);
  gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, rgba);
  const failed = gl.getError() !== gl.NO_ERROR;
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return failed ? readOpaque(bitmap) : { width, height, channels: 4, data: rgba };
}

/** The pixels of a bitmap as RGBA, exact where it is opaque. */
function readOpaque(bitmap) {
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
  return { width: bitmap.width, height: bitmap.height, channels: 4, data: new Uint8Array(data.buffer) };
}

/** The luma of a color, as Pillow rounds it (ITU-R 601-2). */
const luma = (red, green, blue) => (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;

/**
 * Convert RGBA to 1 to 4 channels as training does: without alpha, colors are composited over white; with alpha, those
 * of fully transparent pixels become white.
 * @param {Raster} raster
 * @returns {Raster}
 */
function convertChannels({ width, height, data }, channels) {
  const converted = new Uint8Array(width * height * channels), keepsAlpha = channels % 2 === 0;
  for (let i = 0; i < width * height; i++) {
    const alpha = data[4 * i + 3];
    const weight = keepsAlpha ? Number(alpha > 0) : alpha / 255;
    const color = [0, 1, 2].map((c) => Math.round(data[4 * i + c] * weight + 255 * (1 - weight)));
    if (channels < 3) converted[i * channels] = luma(...color);
    else converted.set(color, i * channels);
    if (keepsAlpha) converted[(i + 1) * channels - 1] = alpha;
  }
  return { width, height, channels, data: converted };
}

/** The numbers (C, H, W) in [-1, 1] of a raster. */
function toNumbers({ width, height, channels, data }) {
  const pixels = width * height, numbers = new Float32Array(pixels * channels);
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < pixels; i++) numbers[c * pixels + i] = data[i * channels + c] / 127.5 - 1;
  }
  return { data: numbers, dims: [channels, height, width] };
}

/** Numbers with the pixels of a mask (1 where it is to be filled) set to 0, and the mask as a last channel of -1 and 1. */
function maskNumbers({ data, dims: [channels, height, width] }, mask) {
  const pixels = width * height, numbers = new Float32Array(pixels * (channels + 1));
  numbers.set(data);
  for (let i = 0; i < pixels; i++) {
    if (mask[i]) for (let c = 0; c < channels; c++) numbers[c * pixels + i] = 0;
    numbers[channels * pixels + i] = mask[i] ? 1 : -1;
  }
  return { data: numbers, dims: [channels + 1, height, width] };
}

/** The Lanczos window of 3 lobes. */
function lanczos(x) {
  if (x === 0) return 1;
  return Math.abs(x) < 3 ? 3 * Math.sin(Math.PI * x) * Math.sin(Math.PI * x / 3) / (Math.PI * x) ** 2 : 0;
}

/** Lines of bytes enlarged by a whole factor with Lanczos, as Pillow does it, and turned: columns become lines. */
function enlargeLines(data, lines, length, factor) {
  const enlarged = new Uint8Array(lines * length * factor);
  for (let to = 0; to < length * factor; to++) {
    const center = (to + 0.5) / factor, first = Math.max(0, Math.trunc(center - 2.5));
    const weights = [];
    for (let from = first; from < Math.min(length, Math.trunc(center + 3.5)); from++) weights.push(lanczos(from - center + 0.5));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    for (let line = 0; line < lines; line++) {
      const value = weights.reduce((sum, weight, k) => sum + weight * data[line * length + first + k], 0) / total;
      enlarged[to * lines + line] = Math.max(0, Math.min(255, Math.round(value)));
    }
  }
  return enlarged;
}

/** A gray or RGB raster with the alpha of the input as a last channel, enlarged by a whole factor. */
function addAlpha(raster, source, factor) {
  const { width, height, channels, data } = raster, output = new Uint8Array(width * height * (channels + 1));
  let alpha = Uint8Array.from({ length: source.width * source.height }, (_, i) => source.data[4 * i + 3]);
  if (factor > 1) {
    const wide = enlargeLines(alpha, source.height, source.width, factor); // its lines are columns
    alpha = enlargeLines(wide, width, source.height, factor);
  }
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < channels; c++) output[i * (channels + 1) + c] = data[i * channels + c];
    output[i * (channels + 1) + channels] = alpha[i];
  }
  return { width, height, channels: channels + 1, data: output };
}
