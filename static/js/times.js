/* How long calls to the broker took over the day: three curves, and IBKR's average as a line across. The scale is
   logarithmic, so that one call of twenty seconds does not press the curves of all others onto the floor. */

import { clock, colour, height, hours, zone } from "./charts.js";

const dark = matchMedia("(prefers-color-scheme: dark)");
// Of few calls p95 and p99 are the same: the dots of the one let the other be seen.
const KINDS = [["p50", "--accent", 2], ["p95", "--warn", 1.5], ["p99", "--down", 2, [2, 4]]];

function ms(value) {
  return `${Math.round(value).toLocaleString("en-US")} ms`;
}

/* A mark of the scale: in seconds from one second on. */
function mark(value) {
  return value >= 1000 ? `${value / 1000} s` : `${value} ms`;
}

/* 1, 2 and 5 of each power of ten from 0.1 ms to an hour. */
const ROUND = [-1, 0, 1, 2, 3, 4, 5, 6].flatMap((power) => [1, 2, 5].map((step) => Number((step * 10 ** power).toPrecision(1))));

/* From the round time below the least to the one above the most. */
function reach(data) {
  const values = data.points.flatMap((row) => row.slice(1)).filter((value) => value > 0).concat(data.yardstick);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return [ROUND.findLast((each) => each <= least) ?? ROUND[0], ROUND.find((each) => each >= most) ?? ROUND.at(-1)];
}

/* Round times; where all of them would be a crowd, the powers of ten and the end. */
function marks([low, high]) {
  const all = ROUND.filter((each) => each >= low && each <= high);
  return all.length <= 7 ? all : all.filter((each) => each === high || Math.log10(each) % 1 === 0);
}

function draw(figure, data) {
  const place = figure.querySelector(".chart");
  const read = figure.querySelector(".chart-read");
  const ink = colour("--ink-3");
  const line = colour("--line");
  const font = `11px ${getComputedStyle(document.body).fontFamily}`;
  const few = data.points.length < 3;
  const curves = KINDS.map(([label, name, width, dash]) => ({ label, stroke: colour(name), width, dash, points: { show: few, size: 5, fill: colour(name) } }));
  const span = reach(data);
  const plot = new window.uPlot({
    width: place.clientWidth,
    height: height(place),
    padding: [8, 0, 0, 18],
    legend: { show: false },
    tzDate: (seconds) => window.uPlot.tzDate(new Date(seconds * 1000), zone),
    cursor: { y: false, points: { size: 7 }, drag: { x: false, y: false } },
    scales: { y: { distr: 3, log: 10, range: () => span } },
    axes: [hours(ink, line, font), { side: 1, stroke: ink, font, size: 66, grid: { stroke: line, width: 1 }, ticks: { show: false }, space: 1, splits: () => marks(span), filter: (own, splits) => splits, values: (own, splits) => splits.map(mark) }],
    series: [{}, ...curves, { label: "IBKR", stroke: ink, width: 1, dash: [6, 5], points: { show: false } }],
    hooks: {
      setCursor: [(own) => {
        const index = own.cursor.idx;
        if (index === null || index === undefined) return;
        const figures = KINDS.map(([label], kind) => `${label} ${ms(own.data[kind + 1][index])}`);
        read.textContent = `${figures.join(", ")} at ${clock(own.data[0][index])}`;
      }],
    },
  }, columns(data), place);
  plot.over.addEventListener("mouseleave", () => { read.textContent = ""; });
  return plot;
}

function columns(data) {
  const rows = data.points;
  // A logarithm has no zero.
  const seen = (row, column) => (column === 0 ? row[0] : Math.max(row[column], 0.1));
  return [0, 1, 2, 3].map((column) => rows.map((row) => seen(row, column))).concat([rows.map(() => data.yardstick)]);
}

async function begin(figure) {
  const place = figure.querySelector(".chart");
  const answer = await fetch(figure.dataset.times, { credentials: "same-origin" });
  if (!answer.ok) return;
  const data = await answer.json();
  if (data.points.length < 2) {
    const note = document.createElement("p");
    note.textContent = "The curves begin with the second half hour of calls. The table has their figures already.";
    place.replaceChildren(note);
    return;
  }
  let plot = draw(figure, data);
  const again = () => { plot.destroy(); plot = draw(figure, data); };
  document.addEventListener("theme", again);
  dark.addEventListener("change", again);
  new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height: height(place) })).observe(place);
}

if (window.uPlot) for (const figure of document.querySelectorAll("[data-times]")) begin(figure).catch(() => {});
