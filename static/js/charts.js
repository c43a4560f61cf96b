/* The value of an account over time: uPlot on a canvas, in the colours of the theme, with a live end. */

export const zone = document.documentElement.dataset.timeZone || Intl.DateTimeFormat().resolvedOptions().timeZone;
const still = matchMedia("(prefers-color-scheme: dark)");

export function colour(name) {
  // The canvas knows no light-dark(): ask the browser what the name means here and now.
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

function money(value, currency) {
  return `${value.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 })} ${currency}`;
}

/* Its style says how high a chart is: less where several stand below each other on a phone. */
export function height(place) {
  return parseFloat(getComputedStyle(place).minBlockSize) || 150;
}

/* A moment as the clock of the page shows it. */
export function clock(seconds) {
  const local = window.uPlot.tzDate(new Date(seconds * 1000), zone);
  return `${String(local.getHours()).padStart(2, "0")}:${String(local.getMinutes()).padStart(2, "0")}`;
}

/* The axis of the time of day. */
export function hours(ink, line, font) {
  return { stroke: ink, font, size: 26, space: 64, incrs: [60, 300, 900, 1800, 3600, 7200, 14400, 21600, 43200], grid: { show: false }, ticks: { stroke: line, size: 4 }, values: (plot, splits) => splits.map(clock) };
}

function draw(figure, data) {
  const place = figure.querySelector(".chart");
  const read = figure.querySelector(".chart-read");
  const accent = colour("--accent");
  const ink = colour("--ink-3");
  const line = colour("--line");
  const font = `11px ${getComputedStyle(document.body).fontFamily}`;
  const options = {
    width: place.clientWidth,
    height: height(place),
    padding: [8, 0, 0, 18],
    legend: { show: false },
    tzDate: (seconds) => window.uPlot.tzDate(new Date(seconds * 1000), zone),
    cursor: { y: false, points: { size: 7, fill: accent }, drag: { x: false, y: false } },
    scales: { y: { range: (plot, low, high) => { const pad = Math.max((high - low) * 0.15, Math.abs(high) * 0.000002, 0.01); return [low - pad, high + pad]; } } },
    axes: [
      hours(ink, line, font),
      { side: 1, stroke: ink, font, size: 66, grid: { stroke: line, width: 1 }, ticks: { show: false }, splits: undefined, space: 40, values: (plot, splits) => splits.map((value) => value.toLocaleString("en-US", { minimumFractionDigits: splits[1] - splits[0] < 1 ? 2 : 0, maximumFractionDigits: splits[1] - splits[0] < 1 ? 2 : 0 })) },
    ],
    series: [{}, { stroke: accent, width: 1.75, fill: colour("--accent-tint"), points: { show: data.points.length < 3, size: 5, fill: accent } }],
    hooks: {
      setCursor: [(plot) => {
        const index = plot.cursor.idx;
        if (index === null || index === undefined || !read) return;
        read.textContent = `${money(plot.data[1][index], data.currency)} at ${clock(plot.data[0][index])}`;
      }],
    },
  };
  place.replaceChildren();
  const plot = new window.uPlot(options, columns(data.points), place);
  plot.over.addEventListener("mouseleave", () => { if (read) read.textContent = ""; });
  return plot;
}

function columns(points) {
  return [points.map((point) => point[0]), points.map((point) => point[1])];
}

async function begin(figure) {
  const place = figure.querySelector(".chart");
  const answer = await fetch(figure.dataset.chart, { credentials: "same-origin" });
  if (!answer.ok) return;
  const data = await answer.json();
  if (data.points.length < 2) {
    const note = document.createElement("p");
    note.textContent = "The curve begins with the second value; one is kept every minute.";
    place.replaceChildren(note);
  }
  let plot = data.points.length > 1 ? draw(figure, data) : null;
  const again = () => { if (data.points.length > 1) { plot?.destroy(); plot = draw(figure, data); } };
  document.addEventListener("theme", again);
  still.addEventListener("change", again);
  new ResizeObserver(() => plot?.setSize({ width: place.clientWidth, height: height(place) })).observe(place);
  document.addEventListener("feed:placed", (event) => {
    const value = Number(event.detail.element?.dataset.equity);
    if (event.detail.id !== figure.dataset.follows || !value) return;
    const now = Date.now() / 1000;
    const last = data.points.at(-1);
    // One point a minute is plenty; within it the end of the line moves.
    if (last && now - last[0] < 60 && data.points.length > 2) data.points[data.points.length - 1] = [now, value];
    else data.points.push([now, value]);
    if (plot) plot.setData(columns(data.points));
    else again();
  });
}

const begun = new WeakSet();

function beginAll() {
  for (const figure of document.querySelectorAll("[data-chart]")) {
    if (begun.has(figure)) continue;
    begun.add(figure);
    begin(figure).catch(() => {});
  }
}

if (window.uPlot) {
  beginAll();
  document.addEventListener("feed:placed", beginAll);
}
