/* What keeps somebody out of the page that is shown now: a sentence for each barrier. `phone`: with a thumb, at 360 px. */
async ({ phone }) => {
  // Colours of another theme arrive by transitions.
  for (let frame = 0; frame < 3; frame += 1) await new Promise(requestAnimationFrame);
  const barriers = new Set();
  const say = (what, element) => barriers.add(`${what}: ${name(element)}`);

  function name(element) {
    if (!element) return "the page";
    const code = element.outerHTML.replace(/\s+/g, " ");
    return code.slice(0, 110);
  }
  function shows(element) {
    if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true, contentVisibilityAuto: true })) return false;
    return !element.closest(".visually-hidden, .skip");
  }
  function rendered(selector, root = document) {
    return [...root.querySelectorAll(selector)].filter((element) => element.checkVisibility());
  }
  const text = (element) => (element?.textContent ?? "").replace(/\s+/g, " ").trim();

  /* ---- headings ---- */

  const headings = rendered("h1, h2, h3, h4, h5, h6");
  const firsts = headings.filter((heading) => heading.matches("h1"));
  if (firsts.length !== 1) say(`${firsts.length} headings of the first level`, firsts[1]);
  let before = 0;
  for (const heading of headings) {
    const level = Number(heading.tagName[1]);
    if (level > before + 1) say(`a heading of level ${level} behind one of level ${before}`, heading);
    if (!text(heading)) say("a heading without words", heading);
    before = level;
  }

  /* ---- landmarks ---- */

  const LANDMARKS = "main, nav, aside, search, body > header, .entrance > header, .main > header, footer, section[aria-label], section[aria-labelledby], [role=region], [role=dialog], [role=alert], [role=status], dialog, .skip";
  const mains = rendered("main");
  if (mains.length !== 1) say(`${mains.length} main landmarks`, mains[1]);
  for (const tag of ["nav", "aside"]) {
    const names = rendered(tag).map((each) => each.getAttribute("aria-label") ?? text(document.getElementById(each.getAttribute("aria-labelledby"))));
    if (names.length > 1 && names.some((each) => !each)) say(`one of several landmarks ${tag} has no name`, rendered(tag)[names.indexOf("")]);
    if (new Set(names).size !== names.length) say(`two landmarks ${tag} have one name`, rendered(tag)[names.findIndex((each, n) => names.indexOf(each) !== n)]);
  }

  /* ---- text: within landmarks, and with enough contrast ---- */

  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const known = new Map();
  function rgba(colour) {
    if (!known.has(colour)) {
      canvas.canvas.width = canvas.canvas.height = 1;
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      const [red, green, blue, alpha] = canvas.getImageData(0, 0, 1, 1).data;
      known.set(colour, [red, green, blue, alpha / 255]);
    }
    return known.get(colour);
  }
  const over = (top, bottom) => [0, 1, 2].map((n) => top[n] * top[3] + bottom[n] * (1 - top[3])).concat(1);
  const surfaces = new Map();
  function surface(element) {
    if (!element) return rgba(getComputedStyle(document.documentElement).backgroundColor);
    if (!surfaces.has(element)) surfaces.set(element, over(rgba(getComputedStyle(element).backgroundColor), surface(element.parentElement)));
    return surfaces.get(element);
  }
  function opacity(element) {
    let value = 1;
    for (let each = element; each; each = each.parentElement) value *= Number(getComputedStyle(each).opacity);
    return value;
  }
  function luminance(colour) {
    const [red, green, blue] = colour.map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  }
  function contrast(one, other) {
    const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (light + 0.05) / (dark + 0.05);
  }
  function read(element, colour) {
    const style = getComputedStyle(element);
    const size = parseFloat(style.fontSize);
    const wanted = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    const [red, green, blue, alpha] = rgba(colour ?? style.color);
    const behind = surface(element);
    const ratio = contrast(over([red, green, blue, alpha * opacity(element)], behind), behind);
    if (ratio < wanted - 0.01) say(`contrast ${ratio.toFixed(2)} of ${wanted}`, element);
  }
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const seen = new Set();
  while (words.nextNode()) {
    const element = words.currentNode.parentElement;
    if (!words.currentNode.data.trim() || seen.has(element) || element.matches("script, style, template, option, noscript")) continue;
    seen.add(element);
    if (!shows(element)) continue;
    if (!element.closest(LANDMARKS)) say("words outside of every landmark", element);
    if (!element.closest(":disabled, [aria-disabled=true]")) read(element);
  }
  for (const field of rendered("input:not([type=hidden], [type=checkbox], [type=radio], [type=file]), select, textarea")) {
    if (field.disabled || !shows(field)) continue;
    read(field);
    if (field.placeholder) read(field, getComputedStyle(field, "::placeholder").color);
  }

  /* ---- boxes that scroll ---- */

  const FOCUSABLE = "a[href], button:not(:disabled), input:not(:disabled, [type=hidden]), select:not(:disabled), textarea:not(:disabled), summary, [tabindex='0']";
  for (const element of document.body.querySelectorAll("*")) {
    const style = getComputedStyle(element);
    if (!/auto|scroll/.test(style.overflowX + style.overflowY) || !element.checkVisibility()) continue;
    const code = element.matches("pre, code, output");
    const scrolls = element.scrollWidth > element.clientWidth + 1 || element.scrollHeight > element.clientHeight + 1;
    if (!code && !scrolls) continue;
    if (element.matches("textarea, select, input")) continue;
    if (element.tabIndex < 0 && (code || !rendered(FOCUSABLE, element).length)) say("a box that scrolls and no key reaches", element);
  }
  for (const element of rendered("[tabindex='0']")) {
    if (!element.matches("a, button, input, select, textarea, summary") && !((element.role || element.matches("article, section")) && called(element))) say("reached by keys, and has no role or name", element);
  }

  /* ---- names ---- */

  function called(element) {
    const ids = element.getAttribute("aria-labelledby");
    if (ids) return ids.split(" ").map((id) => text(document.getElementById(id))).join(" ").trim();
    if (element.getAttribute("aria-label")) return element.getAttribute("aria-label");
    if (element.labels?.length) return [...element.labels].map(text).join(" ").trim();
    const pictures = [...element.querySelectorAll("img[alt], svg[aria-label]")].map((each) => each.alt ?? each.getAttribute("aria-label"));
    return text(element) || pictures.join(" ") || element.title || (element.matches("input[type=submit]") ? element.value : "");
  }
  const CONTROLS = "a[href], button, input:not([type=hidden]), select, textarea, summary, [role=button]";
  for (const element of rendered(CONTROLS)) if (!called(element)) say("a control without a name", element);
  for (const element of rendered("img")) if (!element.hasAttribute("alt")) say("a picture without words for it", element);
  for (const element of rendered("table, dialog[open]")) {
    if (element.matches("table:not([role=presentation])") && !element.querySelector("th")) say("a table without headings", element);
  }

  /* ---- references and lists ---- */

  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  for (const id of new Set(ids.filter((each, n) => ids.indexOf(each) !== n))) say("one id for several elements", document.getElementById(id));
  for (const attribute of ["aria-labelledby", "aria-describedby", "aria-controls", "for"]) {
    for (const element of document.querySelectorAll(`[${attribute}]`)) {
      const lost = element.getAttribute(attribute).split(" ").find((id) => id && !document.getElementById(id));
      if (lost) say(`${attribute} names ${lost}, which is not there`, element);
    }
  }
  for (const list of document.querySelectorAll("ul, ol")) {
    if (list.role && list.role !== "list") continue;
    for (const item of list.children) {
      if (!item.matches("li, template, script")) say("in a list and no item of it", item);
      else if (item.matches("[role]:not([role=listitem])")) say("an item of a list with another role", item);
    }
  }

  /* ---- a phone ---- */

  const page = document.documentElement;
  const width = Math.max(page.scrollWidth, innerWidth) - (phone ? 360 : innerWidth);
  if (width > 0) {
    const widest = [...document.querySelectorAll("main *, header *")].find((each) => each.getBoundingClientRect().right > (phone ? 360 : innerWidth) + 0.5 && !each.closest(".rows, pre, code, svg, .visually-hidden"));
    say(`${width} px wider than the screen`, widest);
  }
  if (phone) for (const element of rendered(CONTROLS)) {
    // What is out of reach of eyes, ears and keys alike is no target: the button that Enter presses.
    if (!shows(element) || element.disabled || (element.tabIndex < 0 && element.ariaHidden === "true")) continue;
    const [broad, high] = reach(element);
    if ((broad < 23.5 || high < 23.5) && !inSentence(element)) say(`a target of ${Math.round(broad)} x ${Math.round(high)} px`, element);
  }

  /* Width and height of what a thumb may hit: the element, its label, or the box that it covers. */
  function reach(element) {
    let boxes = [element, ...(element.labels ?? [])].map((each) => each.getBoundingClientRect());
    const cover = getComputedStyle(element, "::after");
    if (cover.content !== "none" && cover.position === "absolute" && element.offsetParent) {
      if (cover.inset === "0px" || parseFloat(cover.width) > boxes[0].width) boxes = [...boxes, element.closest("tr, .cover, .connection, li")?.getBoundingClientRect() ?? boxes[0]];
      else boxes = [...boxes, new DOMRect(0, 0, parseFloat(cover.width), parseFloat(cover.height))];
    }
    return [Math.max(...boxes.map((box) => box.width)), Math.max(...boxes.map((box) => box.height))];
  }

  /* A link between words of its line may be as high as the line. */
  function inSentence(element) {
    if (!element.matches("a, button.link") || !getComputedStyle(element).display.startsWith("inline") || getComputedStyle(element).display === "inline-flex") return false;
    const line = element.closest("p, li, dd, div.help, td, summary, footer, .lead, span.sub");
    if (!line) return false;
    const copy = line.cloneNode(true);
    for (const link of copy.querySelectorAll("a, button, .badge, time")) link.remove();
    return text(copy).replace(/\W/g, "").length >= 4;
  }

  return [...barriers];
};
