// The page of a generator of texts, such as those of molecules: a list of samples for a seed, with wanted values.

const TEXT_BATCH = 16;

/** Samples as texts: what they are made of is in the settings of the page. */
class TextGenerator {
  constructor(settings, engine) {
    this.settings = settings;
    this.engine = engine;
  }

  /** The inputs of samples. @param {(number | null)[]} wanted a value of each property, null where none is wanted */
  feeds(seed, first, count, wanted) {
    const { latent, properties } = this.settings, seeds = Array.from({ length: count }, (_, i) => deriveSeed(seed, first + i));
    const values = properties.map(({ mean, deviation }, i) => (wanted[i] === null ? 0 : (wanted[i] - mean) / deviation));
    const known = wanted.map((value) => Number(value !== null)), size = properties.length;
    const row = (numbers) => ({ data: stack(seeds.map(() => Float32Array.from(numbers))), dims: [count, size] });
    return {
      latent: { data: stack(seeds.map((each) => drawLatent(latent, each, Infinity))), dims: [count, latent.size] },
      seed: { data: BigInt64Array.from(seeds, toInt64), dims: [count] }, values: row(values), known: row(known),
    };
  }

  /** The texts of a batch of token numbers, up to the first 0. */
  decode({ data, dims: [count, length] }) {
    return Array.from({ length: count }, (_, i) => {
      const row = Array.from(data.subarray(i * length, (i + 1) * length), Math.round), end = row.indexOf(0);
      return row.slice(0, end < 0 ? length : end).map((number) => this.settings.tokens[number - 1]).join("");
    });
  }

  async generate(seed, first, count, wanted) {
    return this.decode(await this.engine.run("generator", this.feeds(seed, first, count, wanted)));
  }
}

class TextPage {
  constructor(settings, engine) {
    this.settings = settings;
    this.generator = new TextGenerator(settings, engine);
    this.names = settings.takes_wishes ? settings.properties.map(({ name }) => name) : [];
    showTemplate("text-page", {});
    this.list = new Newest((error) => report(`The samples could not be generated: ${error.message}`));
    this.texts = [];
    fillSelect("count", [1, 10, 25, 50, 100, 250].map((count) => [count, String(count)]));
    setText("hint", settings.hint);
    this.names.forEach((name, i) => this.addWanted(name, settings.properties[i]));
    this.readState();
    this.listen();
  }

  /** Add a field for a value that samples should have; empty: any. */
  addWanted(name, { low, high }) {
    const label = Object.assign(document.createElement("label"), { className: "field", textContent: name });
    const input = Object.assign(document.createElement("input"), { type: "number", step: "any", placeholder: "any", id: `want-${name}` });
    label.title = `Training data have ${low.toPrecision(3)} to ${high.toPrecision(3)}`;
    input.addEventListener("input", () => this.refresh());
    label.append(input);
    byId("controls").append(label);
  }

  readState() {
    const query = new URLSearchParams(location.hash.slice(1));
    this.seed = BigInt(parseWhole(query.get("seed"), MAX_SEED, 0));
    this.count = Math.max(1, parseWhole(query.get("n"), MAX_COUNT, 25));
    for (const name of this.names) byId(`want-${name}`).value = query.get(`want-${name}`) ?? "";
  }

  listen() {
    on("seed", "input", () => this.change({ seed: BigInt(parseWhole(byId("seed").value, MAX_SEED, this.seed)) }));
    on("roll", "click", () => this.change({ seed: BigInt(Math.floor(Math.random() * 1e6)) }));
    on("count", "change", () => this.change({ count: Number(byId("count").value) }));
    on("save", "click", () => saveFile(new Blob([`${this.texts.join("\n")}\n`], { type: "text/plain" }), `${this.settings.name}-seed${this.seed}`, this.settings.suffix));
    on("copy", "click", () => copyText(byId("copy"), byId("command").textContent));
    addEventListener("hashchange", () => {
      this.readState();
      this.refresh();
    });
  }

  change(part) {
    Object.assign(this, part);
    return this.refresh();
  }

  /** The wanted values, null where none is. @throws {RangeError} one is far from the values of the training data */
  wanted() {
    const own = this.settings.properties.map(({ name, deviation, low, high }) => {
      const text = this.names.includes(name) ? byId(`want-${name}`).value : "", value = Number(text);
      if (text === "") return null;
      if (!(value >= low - this.settings.margin * deviation && value <= high + this.settings.margin * deviation)) {
        throw new RangeError(`${name} ${text}: the training data have ${low.toPrecision(3)} to ${high.toPrecision(3)}; give one of these values.`);
      }
      return value;
    });
    return own;
  }

  /** The command that writes these samples. */
  command(wanted) {
    const given = wanted.flatMap((value, i) => (value === null ? [] : ` --want ${quote(`${this.names[i]}=${value}`)}`));
    const best = this.settings.best ? " --best" : "";
    return `zerosum sample ${quote(this.settings.name)} -n ${this.count} --seed ${this.seed}${given.join("")}${best}`;
  }

  refresh() {
    let wanted;
    try {
      wanted = this.wanted();
    } catch (error) {
      report(error.message);
      return Promise.resolve();
    }
    const query = new URLSearchParams({ seed: this.seed, n: this.count });
    wanted.forEach((value, i) => value !== null && query.set(`want-${this.names[i]}`, value));
    history.replaceState(null, "", `#${query}`);
    setValue("seed", this.seed);
    setValue("count", this.count);
    setText("command", this.command(wanted));
    report("");
    document.documentElement.dataset.state = "generating";
    byId("save").disabled = true;
    return this.list.request((isStale) => this.generateList(wanted, isStale));
  }

  async generateList(wanted, isStale) {
    const { seed, count } = this, start = performance.now(), texts = [];
    while (texts.length < count) {
      const size = Math.min(TEXT_BATCH, count - texts.length);
      texts.push(...await this.generator.generate(seed, texts.length, size, wanted));
      if (isStale()) return;
      byId("texts").replaceChildren(...texts.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
    }
    this.texts = texts;
    setText("status", `${count} sample${count > 1 ? "s" : ""} in ${((performance.now() - start) / 1000).toFixed(2)} s`);
    byId("save").disabled = false;
    document.documentElement.dataset.state = "ready";
  }
}
