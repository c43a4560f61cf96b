/* Profit day by day with its drawdown: uPlot on a canvas, in the colours of the theme; arrow keys move along it. */

import { colour, height } from "./charts.js";

const DAY = 86_400;
const dark = matchMedia("(prefers-color-scheme: dark)");

function money(value, currency) {
  const text = Math.abs(value).toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  return `${value > 0 ? "+" : value < 0 ? "−" : ""}${text} ${currency}`;
}

/* A day as the canvas counts it: noon in UTC, so that it is the same day wherever it is looked at. */
function noon(day) {
  return Date.parse(`${day}T12:00:00Z`) / 1000;
}

function day(seconds) {
  return new Date(seconds * 1000).toISOString().slice(0, 10);
}

function draw(figure, data) {
  const place = figure.querySelector(".chart");
  const read = figure.querySelector(".chart-read");
  const ink = colour("--ink-3");
  const line = colour("--line");
  const font = `11px ${getComputedStyle(document.body).fontFamily}`;
  const say = (index) => {
    if (index === null || index === undefined || data.totals[index] === undefined) return;
    read.textContent = `${data.days[index]}: ${money(data.totals[index], data.currency)}, drawdown ${money(data.drawdowns[index], data.currency)}`;
  };
  const options = {
    width: place.clientWidth,
    height: height(place),
    padding: [8, 0, 0, 18],
    legend: { show: false },
    tzDate: (seconds) => window.uPlot.tzDate(new Date(seconds * 1000), "UTC"),
    // A single day stands in the middle of its week.
    scales: { x: { range: (plot, least, most) => (data.days.length > 1 ? [least, most] : [noon(data.days[0]) - 3 * DAY, noon(data.days[0]) + 3 * DAY]) } },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
    axes: [
      { stroke: ink, font, size: 26, space: 80, grid: { show: false }, ticks: { stroke: line, size: 4 }, values: (plot, splits) => splits.map(day) },
      { side: 1, stroke: ink, font, size: 72, grid: { stroke: line, width: 1 }, ticks: { show: false }, values: (plot, splits) => splits.map((value) => value.toLocaleString("en-US")) },
    ],
    series: [
      {},
      { label: "Profit", stroke: colour("--accent"), width: 1.75, points: { show: data.days.length < 40, size: 5, fill: colour("--accent") } },
      { label: "Drawdown", stroke: colour("--down"), width: 1, dash: [4, 3], fill: colour("--down-tint") || undefined, points: { show: false } },
    ],
    hooks: { setCursor: [(plot) => say(plot.cursor.idx)] },
  };
  place.replaceChildren();
  const plot = new window.uPlot(options, [data.days.map(noon), data.totals, data.drawdowns], place);
  plot.over.addEventListener("mouseleave", () => { read.textContent = ""; });
  let at = data.days.length - 1;
  place.onkeydown = (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -data.days.length, End: data.days.length }[event.key];
    if (!step) return;
    event.preventDefault();
    at = Math.min(Math.max(at + step, 0), data.days.length - 1);
    plot.setCursor({ left: plot.valToPos(noon(data.days[at]), "x"), top: plot.valToPos(data.totals[at], "y") });
    say(at);
  };
  return plot;
}

function begin(figure) {
  const place = figure.querySelector(".chart");
  const data = JSON.parse(document.getElementById(figure.dataset.profit).textContent);
  let plot = draw(figure, data);
  const again = () => { plot.destroy(); plot = draw(figure, data); };
  document.addEventListener("theme", again);
  dark.addEventListener("change", again);
  new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height: height(place) })).observe(place);
}

if (window.uPlot) for (const figure of document.querySelectorAll("[data-profit]")) begin(figure);
