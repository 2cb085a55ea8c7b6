// The page of a generator: a grid of samples, and one of them to edit, interpolate and mix.

const STRIP_IMAGES = 7;
const STRIP_SIGMA = 3;
const MAX_SIGMA = 5;
const TARGET_BATCH_MS = 150;
const MAX_SEED = 2 ** 32 - 1;
const MAX_COUNT = 256;
const MAX_INDEX = 2 ** 31 - 1;
const ADDRESS_MS = 500; // Safari refuses more than about 100 changes of the address in 30 s

/** A whole number from 0 to `max` that a text holds, or the fallback if it holds none. */
function parseWhole(text, max, fallback) {
  return /^\d{1,10}$/.test(text) && Number(text) <= max ? Number(text) : fallback;
}

/** A sample "seed:index" that a text names, or sample 0 of seed 1. */
function parsePlace(text) {
  const [seed, index] = (text ?? "").split(":");
  return { seed: BigInt(parseWhole(seed, MAX_SEED, 1)), index: parseWhole(index, MAX_INDEX, 0) };
}

class GeneratorPage {
  constructor(settings, engine) {
    this.settings = settings;
    this.generator = new Generator(settings, engine);
    const { classes, methods, styles } = this.generator;
    const facts = { classes: classes.length > 0, styles: styles !== null };
    showTemplate("generator-page", { ...facts, directions: methods.length > 0, methods: methods.length > 1 });
    this.samples = [];
    this.rasters = [];
    this.grid = new Newest((error) => report(`The samples could not be generated: ${error.message}`));
    this.panel = new Newest((error) => report(`The image could not be generated: ${error.message}`));
    this.writeState = throttle(() => this.replaceAddress(), ADDRESS_MS);
    this.fillControls();
    this.readState();
    this.listen();
  }

  // ------------------------------------------------------------------ state

  /** The state of the page is in its address, so that a link shows the same again. */
  readState() {
    const query = new URLSearchParams(location.hash.slice(1));
    const label = (key) => this.generator.classes.indexOf(query.get(key));
    const truncation = Number(query.get("truncation")) > 0 ? Number(query.get("truncation")) : this.generator.noTruncation;
    const offsets = this.generator.methods.map((method) =>
      method.vectors.map((_, d) => Math.max(-100, Math.min(100, Number(query.get(`${method.name}${d}`)) || 0))));
    const tab = document.querySelector(`[data-tab="${CSS.escape(query.get("tab") ?? "edit")}"]`)?.dataset.tab ?? "edit";
    this.state = {
      seed: BigInt(parseWhole(query.get("seed"), MAX_SEED, 0)), label: label("class"), truncation,
      count: Math.max(1, parseWhole(query.get("n"), MAX_COUNT, this.defaultCount)),
      selected: parseWhole(query.get("sample"), MAX_COUNT, 0), tab, offsets, direction: 0,
      method: Math.max(0, this.generator.methods.findIndex(({ name }) => name === query.get("directions"))),
      editLayers: this.layerName(query.get("layers"), "all"),
      to: parsePlace(query.get("to")), toLabel: label("to-class"),
      fraction: Math.max(0, Math.min(1, Number(query.get("t") ?? 0.5) || 0)),
      mix: parsePlace(query.get("with")), mixLayers: this.layerName(query.get("mix"), "coarse"),
    };
    this.state.selected = Math.min(this.state.count - 1, this.state.selected);
    this.state.direction = Math.max(0, this.offsets.findIndex((offset) => offset !== 0));
  }

  layerName(name, fallback) {
    return Object.hasOwn(this.generator.styles?.ranges ?? {}, name) ? name : fallback;
  }

  /** What of the address holds the state. */
  get address() {
    const { state, generator } = this, query = new URLSearchParams({ seed: state.seed });
    if (state.label >= 0) query.set("class", generator.classes[state.label]);
    if (state.truncation !== generator.noTruncation) query.set("truncation", state.truncation);
    query.set("n", state.count);
    query.set("sample", state.selected);
    if (state.tab !== "edit") query.set("tab", state.tab);
    if (state.tab === "edit" && state.method) query.set("directions", generator.methods[state.method].name);
    if (state.tab === "edit" && generator.styles && state.editLayers !== "all") query.set("layers", state.editLayers);
    if (state.tab === "edit") {
      this.offsets.forEach((offset, d) => offset && query.set(`${generator.methods[state.method].name}${d}`, offset));
    }
    if (state.tab === "interpolate") {
      query.set("to", `${state.to.seed}:${state.to.index}`);
      query.set("t", state.fraction);
      if (state.toLabel >= 0) query.set("to-class", generator.classes[state.toLabel]);
    }
    if (state.tab === "mix") {
      query.set("with", `${state.mix.seed}:${state.mix.index}`);
      query.set("mix", state.mixLayers);
    }
    return `#${query}`;
  }

  replaceAddress() {
    try {
      history.replaceState(null, "", this.address);
    } catch { // the browser found the changes too many: the page works without them, and the next one may pass
    }
  }

  get offsets() {
    return this.state.offsets[this.state.method] ?? [];
  }

  get nameOfSeed() {
    return `${this.settings.name}-seed${this.state.seed}`;
  }

  get defaultCount() {
    return Math.max(this.settings.width, this.settings.height) > 128 ? 9 : 16;
  }

  // ------------------------------------------------------------------ controls

  fillControls() {
    const { classes, styles, methods } = this.generator;
    const trained = classes.flatMap((name, index) => (this.settings.priors[index] > 0 ? [[index, name]] : []));
    fillSelect("label", [[-1, "as in the data"], ...trained]);
    fillSelect("to-label", [[-1, "the sample's own"], ...trained]);
    fillSelect("count", [1, 4, 9, 16, 25, 36, 64, 100].map((count) => [count, String(count)]));
    fillSelect("method", methods.map(({ title }, index) => [index, title]));
    for (const id of ["edit-layers", "mix-layers"]) fillSelect(id, Object.keys(styles?.ranges ?? {}).map((n) => [n, n]));
    const isUniform = this.settings.latent.kind === "uniform";
    const range = styles ? [0, 1.2, 0.05] : [0.1, isUniform ? 1 : 3, isUniform ? 0.05 : 0.1];
    Object.assign(byId("truncation"), { min: range[0], max: range[1], step: range[2] });
  }

  buildSliders() {
    const { title, strengths, vectors } = this.generator.methods[this.state.method];
    const rows = vectors.map((_, d) => {
      const row = document.createElement("label"), slider = document.createElement("input");
      const share = decimals(strengths[d] * 100, strengths[d] < 0.1 ? 1 : 0);
      row.className = "slider";
      row.title = `${title} ${d}: ${share}% of ${title.startsWith("PCA") ? "the variance" : "the weights"}`;
      Object.assign(slider, { type: "range", min: -MAX_SIGMA, max: MAX_SIGMA, step: 0.1 });
      slider.addEventListener("input", () => this.setOffset(d, Number(slider.value)));
      slider.addEventListener("dblclick", () => this.setOffset(d, 0));
      row.append(Object.assign(document.createElement("span"), { textContent: d + 1 }), slider, document.createElement("output"));
      return row;
    });
    byId("sliders").replaceChildren(...rows);
  }

  listen() {
    const whole = (id, max, use) => on(id, "input", () => {
      const value = parseWhole(byId(id).value, max, null);
      if (value !== null) use(value);
    });
    whole("seed", MAX_SEED, (seed) => this.change({ seed: BigInt(seed) }));
    on("roll", "click", () => this.change({ seed: BigInt(Math.floor(Math.random() * 1e6)) }));
    on("label", "change", () => this.change({ label: Number(byId("label").value) }));
    on("count", "change", () => this.change({ count: Number(byId("count").value) }));
    on("truncation", "input", () => this.change({ truncation: this.readTruncation() }));
    on("method", "change", () => this.changePanel({ method: Number(byId("method").value), direction: 0 }));
    on("edit-layers", "change", () => this.changePanel({ editLayers: byId("edit-layers").value }));
    on("mix-layers", "change", () => this.changePanel({ mixLayers: byId("mix-layers").value }));
    on("to-label", "change", () => this.changePanel({ toLabel: Number(byId("to-label").value) }));
    on("fraction", "input", () => this.changePanel({ fraction: Number(byId("fraction").value) }));
    for (const part of ["to", "mix"]) {
      whole(`${part}-index`, MAX_INDEX, (index) => this.changePanel({ [part]: { ...this.state[part], index } }));
      whole(`${part}-seed`, MAX_SEED, (seed) => this.changePanel({ [part]: { ...this.state[part], seed: BigInt(seed) } }));
    }
    on("reset", "click", () => this.setOffsets(() => 0));
    on("surprise", "click", () => this.setOffsets(() => Math.round(normalQuantile(2 * Math.random() - 1) * 15) / 10));
    on("play", "click", () => this.togglePlay());
    on("save", "click", () => savePng(this.shown, this.shownName));
    on("save-grid", "click", () => savePng(makeGrid(this.rasters), `${this.nameOfSeed}-n${this.state.count}`));
    on("copy", "click", () => copyText(byId("copy"), byId("command").textContent));
    for (const button of document.querySelectorAll("[data-tab]")) {
      button.addEventListener("click", () => this.changePanel({ tab: button.dataset.tab }));
    }
    addEventListener("hashchange", () => {
      this.readState();
      this.refresh();
    });
  }

  readTruncation() {
    const slider = byId("truncation"), value = Number(slider.value);
    return !this.generator.styles && value >= Number(slider.max) ? Infinity : Math.max(value, 0.01);
  }

  setOffset(direction, value) {
    this.offsets[direction] = value;
    this.changePanel({ direction });
  }

  setOffsets(valueOf) {
    this.offsets.forEach((_, direction) => (this.offsets[direction] = valueOf(direction)));
    this.changePanel({});
  }

  change(part) {
    Object.assign(this.state, part);
    this.state.selected = Math.min(this.state.selected, this.state.count - 1);
    this.refresh();
  }

  changePanel(part) {
    Object.assign(this.state, part);
    this.showControls();
    this.refreshPanel();
  }

  showControls() {
    const { state, generator } = this;
    setValue("seed", state.seed);
    setValue("label", state.label);
    setValue("count", state.count);
    setValue("truncation", Math.min(state.truncation, Number(byId("truncation").max)));
    setText("truncation-value", state.truncation === generator.noTruncation ? "none" : String(state.truncation));
    setText("command", this.command());
    for (const button of document.querySelectorAll("[data-tab]")) {
      button.setAttribute("aria-selected", button.dataset.tab === state.tab);
    }
    for (const panel of document.querySelectorAll("[data-panel]")) panel.hidden = panel.dataset.panel !== state.tab;
    const values = {
      "to-index": state.to.index, "to-seed": state.to.seed, "to-label": state.toLabel, "mix-index": state.mix.index,
      "mix-seed": state.mix.seed, "mix-layers": state.mixLayers, method: state.method, "edit-layers": state.editLayers,
    };
    for (const [id, value] of Object.entries(values)) setValue(id, value);
    setValue("fraction", state.fraction);
    setText("fraction-value", decimals(state.fraction, 2));
    if (generator.methods.length) this.showSliders();
    this.writeState();
  }

  showSliders() {
    if (this.slidersOf !== this.state.method) this.buildSliders();
    this.slidersOf = this.state.method;
    [...byId("sliders").children].forEach((row, d) => {
      const slider = row.querySelector("input"), place = 50 * (1 + Math.max(-1, Math.min(1, this.offsets[d] / MAX_SIGMA)));
      slider.value = this.offsets[d];
      slider.style.setProperty("--from", `${Math.min(place, 50)}%`); // the bar starts in the middle, at 0
      slider.style.setProperty("--to", `${Math.max(place, 50)}%`);
      row.querySelector("output").textContent = decimals(this.offsets[d], 1);
      row.classList.toggle("active", d === this.state.direction);
    });
  }

  /** The command that writes the samples of the grid. */
  command() {
    const { state, generator } = this;
    const label = state.label >= 0 ? ` --class ${quote(generator.classes[state.label])}` : "";
    const truncation = state.truncation === generator.noTruncation ? "" : ` --truncation ${state.truncation}`;
    const best = this.settings.best ? " --best" : "";
    return `zerosum sample ${quote(this.settings.name)} -n ${state.count} --seed ${state.seed}${label}${truncation}${best}`;
  }

  // ------------------------------------------------------------------ the grid

  /** Show how far the page is. Results are saved only when all of them are there. */
  showProgress(state) {
    document.documentElement.dataset.state = state;
    for (const id of ["save", "save-grid"]) byId(id).disabled = state !== "ready";
  }

  refresh() {
    this.isComplete = false;
    this.showProgress("generating");
    this.showControls();
    return this.grid.request((isStale) => this.generateGrid(isStale));
  }

  async generateGrid(isStale) {
    const { seed, label, truncation, count } = this.state, start = performance.now();
    this.prepareCells(count);
    let batch = 1;
    for (let first = 0; first < count; first += batch, batch = this.nextBatch) {
      const began = performance.now(), size = Math.min(batch, count - first);
      const samples = Array.from({ length: size }, (_, i) => this.generator.draw(seed, first + i, label, truncation));
      const codes = await this.generator.codes(samples, truncation);
      const rasters = await this.generator.generate(codes, samples.map((s) => s.weights), samples.map((s) => s.seed));
      if (isStale()) return;
      rasters.forEach((raster, i) => this.showCell(first + i, samples[i], raster));
      this.nextBatch = Math.max(1, Math.min(64, Math.round(size * TARGET_BATCH_MS / (performance.now() - began))));
      batch = size;
      if (first === 0 && this.state.selected === 0) this.refreshPanel();
    }
    const seconds = (performance.now() - start) / 1000;
    const each = (1000 * seconds / count).toFixed(0);
    setText("status", `${count} image${count > 1 ? "s" : ""} in ${seconds.toFixed(2)} s, ${each} ms each`);
    report("");
    this.isComplete = true;
    await this.refreshPanel();
  }

  prepareCells(count) {
    const grid = byId("grid");
    this.samples.length = this.rasters.length = Math.min(count, this.samples.length);
    while (grid.children.length > count) grid.lastChild.remove();
    while (grid.children.length < count) {
      const cell = document.createElement("button"), index = grid.children.length;
      cell.type = "button";
      cell.append(document.createElement("canvas"));
      cell.addEventListener("click", (event) => this.choose(index, event.shiftKey));
      grid.append(cell);
    }
    grid.style.setProperty("--columns", gridColumns(count, this.settings));
    byId("main").style.setProperty("--ratio", `${this.settings.width} / ${this.settings.height}`);
  }

  showCell(index, sample, raster) {
    if (!performance.getEntriesByName("first-image").length) performance.mark("first-image");
    this.samples[index] = sample;
    this.rasters[index] = raster;
    const cell = byId("grid").children[index], name = this.describe(index, sample);
    paintRaster(cell.firstChild, raster);
    cell.title = name;
    cell.setAttribute("aria-label", name);
  }

  describe(index, sample) {
    const label = sample.label >= 0 && this.generator.classes.length ? ` · ${this.generator.classes[sample.label]}` : "";
    return `Sample ${index} of seed ${this.state.seed}${label}`;
  }

  choose(index, asOther) {
    const place = { seed: this.state.seed, index };
    if (asOther && this.state.tab === "interpolate") this.changePanel({ to: place });
    else if (asOther && this.state.tab === "mix") this.changePanel({ mix: place });
    else this.changePanel({ selected: index });
  }

  // ------------------------------------------------------------------ the selected sample

  refreshPanel() {
    return this.panel.request((isStale) => this.generatePanel(isStale));
  }

  async generatePanel(isStale) {
    const { selected } = this.state, sample = this.samples[selected];
    if (!sample) return;
    [...byId("grid").children].forEach((cell, index) => cell.setAttribute("aria-pressed", index === selected));
    setText("selected-name", this.describe(selected, sample));
    const draw = { edit: this.drawEdit, interpolate: this.drawInterpolation, mix: this.drawMix }[this.state.tab];
    const { shown, name, strip } = await draw.call(this, sample, this.state.truncation);
    if (isStale()) return;
    this.showLarge(shown, name);
    const thumbnails = await strip();
    if (isStale()) return;
    this.showStrip(thumbnails);
    if (!this.isComplete) return; // the grid is being generated
    report("");
    this.showProgress("ready");
  }

  showLarge(raster, name) {
    this.shown = raster;
    this.shownName = `${this.nameOfSeed}-sample${this.state.selected}${name}`;
    paintRaster(byId("large"), raster);
  }

  /** @param {{raster: Raster, isCurrent: boolean, title: string, use: () => void}[]} thumbnails */
  showStrip(thumbnails) {
    const strip = byId("strip");
    while (strip.children.length < thumbnails.length) {
      const button = Object.assign(document.createElement("button"), { type: "button" });
      button.append(document.createElement("canvas"));
      button.addEventListener("click", () => button.use());
      strip.append(button);
    }
    while (strip.children.length > thumbnails.length) strip.lastChild.remove();
    thumbnails.forEach(({ raster, isCurrent, title, use }, index) => {
      const button = strip.children[index];
      paintRaster(button.firstChild, raster);
      button.setAttribute("aria-pressed", isCurrent);
      Object.assign(button, { title, use, ariaLabel: title });
    });
  }

  /** Images of several codes with one sample's conditions. */
  vary(sample, codes) {
    return this.generator.generate(codes, codes.map(() => sample.weights), codes.map(() => this.generator.editSeed(sample)));
  }

  async drawEdit(sample, truncation) {
    const { generator, offsets } = this, { selected, method, direction, editLayers } = this.state;
    const own = { shown: this.rasters[selected], name: "", strip: async () => [] };
    if (!generator.methods.length) return own;
    const layers = generator.styles ? generator.styles.ranges[editLayers] : [0, 1];
    const sigmas = generator.sigmas(method, sample.label, truncation);
    const [code] = await generator.codes([sample], truncation);
    const move = (values) => generator.edit(code, method, values, sigmas, layers);
    const isEdited = offsets.some((offset) => offset !== 0);
    const strip = async () => {
      const steps = Array.from({ length: STRIP_IMAGES }, (_, i) => STRIP_SIGMA * (2 * i / (STRIP_IMAGES - 1) - 1));
      const rasters = await this.vary(sample, steps.map((step) => move(offsets.with(direction, step))));
      return rasters.map((raster, i) => ({
        raster, isCurrent: offsets[direction] === steps[i], title: `Direction ${direction + 1} at ${decimals(steps[i], 0)}`,
        use: () => this.setOffset(direction, steps[i]),
      }));
    };
    if (!isEdited) return { ...own, strip };
    return { shown: (await this.vary(sample, [move(offsets)]))[0], name: "-edited", strip };
  }

  async drawInterpolation(sample, truncation) {
    const { generator } = this, { to, toLabel, fraction } = this.state;
    const label = toLabel >= 0 ? toLabel : sample.label, other = generator.draw(to.seed, to.index, label, truncation);
    const between = (part) => ({
      latent: slerp(sample.latent, other.latent, part),
      weights: sample.weights?.map((weight, k) => weight + part * (other.weights[k] - weight)) ?? null,
    });
    const draw = async (parts) => {
      const samples = parts.map(between), codes = await generator.codes(samples, truncation);
      return generator.generate(codes, samples.map((s) => s.weights), samples.map(() => generator.editSeed(sample)));
    };
    const steps = Array.from({ length: STRIP_IMAGES }, (_, i) => i / (STRIP_IMAGES - 1));
    const key = [to.seed, to.index, label, truncation].join();
    const strip = async () => {
      if (this.strip?.sample !== sample || this.strip.key !== key) { // while the slider moves, the strip stays
        this.strip = { sample, key, rasters: await draw(steps) };
      }
      return this.strip.rasters.map((raster, i) => ({
        raster, isCurrent: fraction === steps[i], title: `${decimals(100 * steps[i], 0)}% of the way`,
        use: () => this.changePanel({ fraction: steps[i] }),
      }));
    };
    return { shown: (await draw([fraction]))[0], name: `-to-seed${to.seed}-sample${to.index}-${fraction}`, strip };
  }

  async drawMix(sample, truncation) {
    const { generator } = this, { mix, mixLayers } = this.state, { ranges } = generator.styles;
    const other = generator.draw(mix.seed, mix.index, sample.label, truncation);
    const [code, otherCode] = await generator.codes([sample, other], truncation);
    const mixed = (name) => generator.mix(code, otherCode, ranges[name]);
    const strip = async () => {
      const names = ["coarse", "middle", "fine"];
      const rasters = await this.vary(sample, [code, ...names.map(mixed), otherCode]);
      return ["the sample", ...names, "all"].map((name, i) => ({
        raster: rasters[i], isCurrent: name === mixLayers, title: i ? `${name} layers mixed` : name,
        use: () => (i ? this.changePanel({ mixLayers: name }) : undefined),
      }));
    };
    const name = `-with-seed${mix.seed}-sample${mix.index}-${mixLayers}`;
    return { shown: (await this.vary(sample, [mixed(mixLayers)]))[0], name, strip };
  }

  togglePlay() {
    this.isPlaying = !this.isPlaying;
    byId("play").textContent = this.isPlaying ? "Stop" : "Play";
    const begin = performance.now(), from = Math.acos(1 - 2 * this.state.fraction);
    const step = async (now) => {
      if (!this.isPlaying || this.state.tab !== "interpolate") {
        this.isPlaying = false;
        byId("play").textContent = "Play";
        return;
      }
      const fraction = (1 - Math.cos(from + (now - begin) / 1000)) / 2; // there and back, slow at both ends
      Object.assign(this.state, { fraction: Math.round(fraction * 1000) / 1000 });
      this.showControls();
      await this.refreshPanel();
      requestAnimationFrame(step);
    };
    if (this.isPlaying) requestAnimationFrame(step);
  }
}
