// Random numbers as pure functions of a sample's seed, the same as in zerosum/game/seeded_rng.py.
//
// The generator is SplitMix64 used as a counter-based hash (Steele, Lea and Flood 2014, OOPSLA). A 64-bit number is two
// unsigned 32-bit halves, high and low, since products of BigInts take a hundred times as long.

/** @typedef {{high: number, low: number}} Word */

const Stream = { LATENT: 1, CLASS: 5 };
const SAMPLING_SERIES = 2;
const GOLDEN_GAMMA = { high: 0x9e3779b9, low: 0x7f4a7c15 };
const MIX_MULTIPLIER_1 = { high: 0xbf58476d, low: 0x1ce4e5b9 };
const MIX_MULTIPLIER_2 = { high: 0x94d049bb, low: 0x133111eb };
const TWO_32 = 4294967296;

/** @returns {Word} the word of an integer of up to 64 bits, given as a BigInt; negative ones in two's complement */
function wordOf(value) {
  const bits = BigInt.asUintN(64, value);
  return { high: Number(bits >> 32n), low: Number(bits & 0xffffffffn) };
}

/** @returns {bigint} the signed integer of a word, as int64 tensors hold it */
function toInt64(word) {
  return BigInt.asIntN(64, (BigInt(word.high) << 32n) | BigInt(word.low));
}

function add(a, b) {
  const low = a.low + b.low;
  return { high: (a.high + b.high + (low >= TWO_32 ? 1 : 0)) >>> 0, low: low >>> 0 };
}

function xor(a, b) {
  return { high: (a.high ^ b.high) >>> 0, low: (a.low ^ b.low) >>> 0 };
}

/** The low 64 bits of a product. */
function multiply(a, b) {
  const a0 = a.low & 0xffff, a1 = a.low >>> 16, b0 = b.low & 0xffff, b1 = b.low >>> 16;
  const middle = a0 * b1 + a1 * b0; // below 2^33, so exact, as all sums here are
  const low = a0 * b0 + (middle % 65536) * 65536;
  const carry = Math.floor(middle / 65536) + Math.floor(low / TWO_32);
  const high = (a1 * b1 + carry) % TWO_32 + (Math.imul(a.high, b.low) >>> 0) + (Math.imul(a.low, b.high) >>> 0);
  return { high: high >>> 0, low: low >>> 0 };
}

/** The word shifted right by 1 to 31 bits and combined with itself by exclusive or. */
function xorShift(a, bits) {
  return { high: (a.high ^ (a.high >>> bits)) >>> 0, low: (a.low ^ ((a.low >>> bits) | (a.high << (32 - bits)))) >>> 0 };
}

function splitmix64(word) {
  const first = multiply(xorShift(word, 30), MIX_MULTIPLIER_1);
  return xorShift(multiply(xorShift(first, 27), MIX_MULTIPLIER_2), 31);
}

/** The seed of sample number `index` of the sampling with a seed. @param {bigint} seed @returns {Word} */
function deriveSeed(seed, index) {
  const series = add(splitmix64(add(wordOf(seed), GOLDEN_GAMMA)), wordOf(BigInt(SAMPLING_SERIES)));
  return splitmix64(add(splitmix64(series), multiply(GOLDEN_GAMMA, wordOf(BigInt(index + 1)))));
}

/** Uniform numbers in (0, 1) of a sample's seed, each exact in float32. */
function uniform(sampleSeed, size, stream) {
  let counter = splitmix64(xor(sampleSeed, splitmix64(wordOf(BigInt(stream)))));
  const numbers = new Float64Array(size);
  for (let i = 0; i < size; i++) {
    counter = add(counter, GOLDEN_GAMMA);
    numbers[i] = ((splitmix64(counter).high >>> 9) + 0.5) * 2 ** -23;
  }
  return numbers;
}

/** The error function, by a series of positive terms (Abramowitz and Stegun 7.1.6). */
function erf(x) {
  if (x > 6) return 1;
  let term = x, sum = x;
  for (let n = 1; term > sum * 1e-17; n++) {
    term *= 2 * x * x / (2 * n + 1);
    sum += term;
  }
  return 2 / Math.sqrt(Math.PI) * Math.exp(-x * x) * sum;
}

/**
 * The standard normal number below which a fraction (1 + x) / 2 of the distribution lies, x in (-1, 1).
 *
 * By Newton's method from a rational approximation (Abramowitz and Stegun 26.2.23), on the tail, where no digits cancel.
 */
function normalQuantile(x) {
  const tail = (1 - Math.abs(x)) / 2;
  if (tail === 0.5) return 0;
  const t = Math.sqrt(-2 * Math.log(tail));
  let z = t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
  for (let step = 0; step < 3; step++) {
    const density = Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI);
    const change = (upperTail(z, density) - tail) / density;
    z += change / (1 - z * change / 2); // Halley's correction
  }
  return x < 0 ? -z : z;
}

/** The fraction of the standard normal distribution above z >= 0: by `erf`, or far out by a continued fraction. */
function upperTail(z, density) {
  if (z < 2.5) return (1 - erf(z / Math.SQRT2)) / 2;
  let fraction = z;
  for (let k = 60; k > 0; k--) fraction = z + k / fraction;
  return density / fraction;
}

const fround = Math.fround;

/** Latent of a sample's seed: Float32Array of `prior.size` numbers. */
function drawLatent(prior, sampleSeed, truncation) {
  const draws = uniform(sampleSeed, prior.size, Stream.LATENT);
  if (prior.kind === "uniform") return Float32Array.from(draws, (u) => (2 * u - 1) * Math.min(1, truncation));
  const inside = fround(erf(truncation / Math.SQRT2));
  const latent = Float32Array.from(draws, (u) => normalQuantile(fround((2 * u - 1) * inside)));
  for (let i = 0; i < (prior.binary_dims ?? 0); i++) latent[i] = Math.sign(latent[i]);
  return latent;
}

/** Class of a sample's seed, as frequent as in the data. @param {number[]} priors relative frequencies */
function drawClass(priors, sampleSeed) {
  const total = priors.reduce((sum, prior) => sum + prior, 0);
  const draw = uniform(sampleSeed, 1, Stream.CLASS)[0] * total;
  let bound = 0;
  for (let label = 0; label < priors.length - 1; label++) {
    bound += priors[label];
    if (draw < bound) return label;
  }
  return priors.length - 1;
}

/** Latents at fractions of the way from one to another along the sphere (White 2016, arXiv:1609.04468). */
function slerp(first, last, fraction) {
  const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
  const cosine = dot(first, last) / Math.max(Math.sqrt(dot(first, first) * dot(last, last)), 1e-12);
  const angle = Math.acos(Math.min(1, Math.max(-1, cosine)));
  const isStraight = Math.sin(angle) < 1e-4; // the great circle is not unique
  const weight = (part) => (isStraight ? part : Math.sin(part * angle) / Math.sin(angle));
  return first.map((value, i) => weight(1 - fraction) * value + weight(fraction) * last[i]);
}
