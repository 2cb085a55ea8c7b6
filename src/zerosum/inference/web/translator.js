// The page of a translator: an image of the user, or one drawn here, before and after the translation.

const MASK_COLOR = "#e0457b";
const READ_OFTEN = { willReadFrequently: true };

class TranslatorPage {
  constructor(settings, engine) {
    this.settings = settings;
    this.translator = new Translator(settings, engine);
    showTemplate("translator-page", { mask: settings.mask, seed: settings.seed });
    this.pointer = null;
    this.newest = new Newest((error) => report(`The image could not be translated: ${error.message}`));
    this.strokes = [];
    this.source = null;
    this.listen();
    fillSelect("shorter-side", [[0, "as it is"], ...[64, 128, 256, 384, 512, 768, 1024].map((side) => [side, `${side} px`])]);
    setText("brush", settings.mask ? "Paint the hole" : "Draw on it");
    setText("takes", settings.takes);
    this.showWidth();
    document.documentElement.dataset.state = "ready";
  }

  /** Channels of the image itself, without a mask. */
  get imageChannels() {
    return this.settings.input_channels - Number(this.settings.mask);
  }

  /** Nothing is translated before there is an image. */
  refresh() {}

  listen() {
    on("file", "change", () => byId("file").files[0] && this.open(byId("file").files[0]));
    for (const button of document.querySelectorAll("[data-open]")) button.addEventListener("click", () => byId("file").click());
    for (const button of document.querySelectorAll("[data-blank]")) button.addEventListener("click", () => this.openBlank());
    on("brush", "click", () => this.setBrush(byId("brush").getAttribute("aria-pressed") !== "true"));
    on("undo", "click", () => this.undo());
    on("width", "input", () => this.showWidth());
    on("shorter-side", "change", () => this.reopen());
    on("noise-seed", "input", () => this.translate());
    on("split", "input", () => this.showSplit());
    on("save", "click", () => this.output && savePng(this.output, `${this.name}-translated`));
    on("copy", "click", () => copyText(byId("copy"), byId("command").textContent));
    on("compare", "pointerdown", (event) => this.press(event));
    on("compare", "pointermove", (event) => this.pointer && this.pointer(event));
    for (const name of ["pointerup", "pointercancel"]) on("compare", name, () => this.release());
    for (const name of ["dragover", "drop"]) {
      addEventListener(name, (event) => {
        event.preventDefault();
        byId("drop").classList.toggle("over", name === "dragover");
        if (name === "drop" && event.dataTransfer.files[0]) this.open(event.dataTransfer.files[0]);
      });
    }
    addEventListener("dragleave", () => byId("drop").classList.remove("over"));
    addEventListener("paste", (event) => event.clipboardData.files[0] && this.open(event.clipboardData.files[0]));
  }

  // ------------------------------------------------------------------ the image

  async open(file) {
    document.documentElement.dataset.state = "translating";
    const original = await decodeFile(file).catch(() => null);
    if (!original) {
      report(`${file.name || "The clipboard"} cannot be read as an image: choose a PNG, JPEG, WebP, GIF or AVIF file.`);
      return;
    }
    this.file = file;
    this.originalSize = [original.width, original.height];
    this.name = file.name.replace(/\.[^.]*$/, "") || "image";
    await this.reopen();
  }

  /** Read the file again, at the size that is asked for, or at the largest that can be translated. */
  async reopen() {
    if (!this.file) return;
    const [width, height] = this.originalSize, side = Number(byId("shorter-side").value);
    const wanted = side ? side / Math.min(width, height) : 1;
    const factor = Math.min(wanted, MAX_SIDE / Math.max(width, height), Math.sqrt(this.translator.maxPixels / (width * height)));
    const size = factor === 1 ? [] : [width, height].map((length) => Math.max(1, Math.round(length * factor)));
    this.note = factor < wanted ? `scaled down to ${size.join(" × ")} to fit into memory · ` : "";
    const source = await decodeFile(this.file, ...size).then(readBitmap).catch((error) => {
      report(`The image could not be read at this size: ${error.message}`);
      return null;
    });
    if (source) this.show(source);
  }

  openBlank() {
    const [height, width] = this.settings.input_size;
    Object.assign(this, { file: null, name: "drawing", note: "" });
    this.show({ width, height, channels: 4, data: new Uint8Array(width * height * 4).fill(255) });
    if (!this.settings.mask) this.setBrush(true);
  }

  show(source) {
    report("");
    this.source = source;
    this.strokes = [];
    byId("drop").hidden = true;
    byId("result").hidden = false;
    paintRaster(byId("before"), convertChannels(source, this.imageChannels)); // as the network sees it
    byId("width").value = Math.max(2, Math.round(Math.min(source.width, source.height) / 20));
    this.showWidth();
    Object.assign(byId("paint"), { width: source.width, height: source.height });
    Object.assign(byId("after"), { width: source.width * this.settings.factor, height: source.height * this.settings.factor });
    byId("compare").style.setProperty("--ratio", `${source.width} / ${source.height}`);
    byId("compare").classList.toggle("pixelated", source.width * this.settings.factor <= 128);
    this.showSplit();
    this.translate();
  }

  /** What the network gets: the image with what was painted on it. */
  readInput() {
    const { mask } = this.settings, { width, height } = this.source, channels = this.imageChannels;
    const paint = byId("paint").getContext("2d", READ_OFTEN).getImageData(0, 0, width, height).data;
    if (!mask) {
      const painted = this.source.data.slice();
      for (let i = 0; i < painted.length; i += 4) {
        if (paint[i + 3] >= 128) painted.set([paint[i], paint[i + 1], paint[i + 2], 255], i);
      }
      return toNumbers(convertChannels({ width, height, data: painted }, channels));
    }
    const isHole = (_, i) => paint[4 * i + 3] >= 128 || this.source.data[4 * i + 3] < 128;
    const holes = Uint8Array.from({ length: width * height }, isHole);
    return maskNumbers(toNumbers(convertChannels(this.source, channels)), holes);
  }

  translate() {
    if (!this.source) return undefined;
    setText("command", this.command());
    return this.newest.request(async (isStale) => {
      document.documentElement.dataset.state = "translating";
      const start = performance.now(), { width, height } = this.source, input = this.readInput();
      const seed = BigInt(Math.trunc(Number(byId("noise-seed")?.value ?? 0)) || 0);
      const progress = (done, count) => setText("status", `${this.note}tile ${done} of ${count}`);
      setText("status", `${this.note}translating …`);
      const outputs = await this.translator.translate(input, seed, progress, isStale);
      if (isStale() || !outputs) return;
      this.showOutput(toRaster(outputs, 0, this.settings.shown));
      report(""); // of a translation that failed before
      const seconds = ((performance.now() - start) / 1000).toFixed(2);
      const sizes = `${width} × ${height} to ${this.output.width} × ${this.output.height} pixels`;
      setText("status", `${this.note}${sizes} in ${seconds} s`);
      document.documentElement.dataset.state = "ready";
    });
  }

  /** Files of 8 bits keep the alpha of the image that was translated. */
  showOutput(raster) {
    const isTransparent = !this.settings.mask && this.source.data.some((value, i) => i % 4 === 3 && value < 255);
    this.output = isTransparent && raster.channels % 2 ? addAlpha(raster, this.source, this.settings.factor) : raster;
    paintRaster(byId("after"), this.output);
  }

  command() {
    const side = Number(byId("shorter-side").value);
    const extension = this.file ? this.file.name : `${this.name}.png`;
    const mask = this.settings.mask && this.strokes.length ? " --mask mask.png" : "";
    const reverse = this.settings.reverse ? " --reverse" : "";
    const size = side ? ` --shorter-side ${side}` : "", best = this.settings.best ? " --best" : "";
    return `zerosum apply ${quote(this.settings.name)} ${quote(extension)}${mask}${reverse}${size}${best}`;
  }

  // ------------------------------------------------------------------ the brush and the divider

  get brushIsOn() {
    return byId("brush").getAttribute("aria-pressed") === "true";
  }

  setBrush(isOn) {
    byId("brush").setAttribute("aria-pressed", isOn);
    byId("result").classList.toggle("painting", isOn); // both images are shown next to each other
  }

  showWidth() {
    setText("width-value", `${byId("width").value} px`);
  }

  showSplit() {
    byId("compare").style.setProperty("--split", `${byId("split").value}%`);
  }

  press(event) {
    if (!this.source || (this.brushIsOn && !event.target.closest("#input-pane"))) return;
    event.preventDefault();
    byId("compare").setPointerCapture(event.pointerId);
    if (this.brushIsOn) {
      const color = this.settings.mask ? MASK_COLOR : byId("color").value;
      this.strokes.push({ color, width: Number(byId("width").value), points: [] });
      this.pointer = (each) => this.extendStroke(each);
    } else {
      this.pointer = (each) => {
        const box = byId("compare").getBoundingClientRect();
        byId("split").value = Math.max(0, Math.min(100, 100 * (each.clientX - box.left) / box.width));
        this.showSplit();
      };
    }
    this.pointer(event);
  }

  release() {
    if (this.pointer && this.brushIsOn) this.translate();
    this.pointer = null;
  }

  extendStroke(event) {
    const box = byId("paint").getBoundingClientRect();
    const place = [(event.clientX - box.left) / box.width * this.source.width, (event.clientY - box.top) / box.height * this.source.height];
    this.strokes.at(-1).points.push(place);
    this.drawStrokes();
  }

  drawStrokes() {
    const canvas = byId("paint"), context = canvas.getContext("2d", READ_OFTEN);
    context.clearRect(0, 0, canvas.width, canvas.height);
    for (const { color, width, points } of this.strokes) {
      Object.assign(context, { strokeStyle: color, lineWidth: width, lineCap: "round", lineJoin: "round" });
      context.beginPath();
      points.forEach(([x, y]) => context.lineTo(x, y));
      if (points.length === 1) context.lineTo(points[0][0] + 0.01, points[0][1]);
      context.stroke();
    }
  }

  undo() {
    this.strokes.pop();
    this.drawStrokes();
    this.translate();
  }
}
