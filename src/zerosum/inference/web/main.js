// The start of the page.

const PAGES = { generator: GeneratorPage, translator: TranslatorPage, texts: TextPage };
const MISSING_FEATURES = "This browser is too old for the page: use a newer one, such as Chromium, in which pages are tested.";

function showTheme(theme) {
  document.documentElement.dataset.theme = theme;
}

/** Let the user choose light or dark; at first the page is as the system is. */
function listenToTheme() {
  const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
  showTheme(isDark ? "dark" : "light");
  on("theme", "click", () => showTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
}

async function start() {
  listenToTheme();
  const settings = JSON.parse(byId("settings").textContent);
  setText("name", settings.name);
  setText("description", settings.description);
  setText("made", settings.made);
  if (!("DecompressionStream" in window && "WebAssembly" in window && "OffscreenCanvas" in window)) {
    report(MISSING_FEATURES);
    return;
  }
  document.documentElement.dataset.state = "starting";
  const engine = new Engine();
  try {
    await engine.start(settings.models);
  } catch (error) {
    report(`The network cannot be started (${error.message}): copy the file again, or try another browser.`);
    return;
  }
  const page = new PAGES[settings.task](settings, engine);
  await page.refresh();
}

start().catch((error) => report(`The page failed (${error.message}): reload it.`));
