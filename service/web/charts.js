// uPlot with the page's colours, sized by its place, redrawn when the theme changes.

/* global uPlot */

export const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const FONT = '12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
const drawn = new Set();

document.addEventListener("snn-theme", () => drawn.forEach((redraw) => redraw()));

const resized = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) target.resized?.(Math.floor(contentRect.width));
});

/** Have `redraw` called when the theme changes, and `resize(width)` when the place does; returns the end of it. */
export function followed(place, redraw, resize) {
  place.resized = resize;
  resized.observe(place);
  drawn.add(redraw);
  return () => {
    resized.unobserve(place);
    drawn.delete(redraw);
  };
}

/**
 * A line chart in `place`. `series` are `{label, colour, dash, width, points, fill}`, colours by function;
 * `bands` are `[upper, lower]` pairs of places in `series`. `x` is "time" or "layer". `cuts` are
 * `{at, colour}`: lines that are always in sight. `marks()` gives `{at, level}` on the axis of time.
 * `pointed(x, values)` is told what the pointer is over, and null when it leaves.
 */
export function lineChart(place, { series, bands = [], x = "time", height = 150, cuts = [], marks = () => [], floor = null, pointed }) {
  const axis = (more) => ({
    stroke: () => css("--muted"),
    font: FONT,
    grid: { stroke: () => css("--grid"), width: 1 },
    ticks: { show: false },
    ...more,
  });
  let range = null; // of time, from the caller
  const options = {
    width: Math.max(160, Math.floor(place.clientWidth)),
    height,
    legend: { show: false },
    cursor: { points: { show: false }, y: false, drag: { x: false, y: false } },
    scales: {
      x: x === "time" ? { time: true, range: (_, low, high) => range ?? [low ?? 0, high ?? 20] } : { time: false, range: (_, low, high) => [low - 0.3, high + 0.3] },
      y: { range: (_, low, high) => roomy(low, high, cuts.map(({ at }) => at), floor) },
    },
    axes: [
      axis(
        x === "time"
          ? { size: 28, space: 64, values: (_, ticks, __, ___, step) => ticks.map((tick) => new Date(tick * 1000).toTimeString().slice(0, step < 60 ? 8 : 5)) }
          : { size: 28, incrs: [1, 2, 4, 8], values: (_, ticks) => ticks.map((tick) => `${tick}`) },
      ),
      axis({ size: 46, space: 26 }),
    ],
    series: [
      {},
      ...series.map((one) => ({
        label: one.label,
        stroke: one.colour,
        fill: one.fill,
        width: one.width ?? 1.5,
        dash: one.dash,
        points: { show: one.points ?? false, size: 6, fill: () => css("--surface") },
        // Two looks that miss each other by a moment are no gap.
        spanGaps: false,
      })),
    ],
    hooks: {
      draw: [(chart) => lines(chart, cuts, x === "time" ? marks() : [])],
      setCursor: [
        ({ cursor, data }) => {
          const at = cursor.idx;
          if (typeof at === "number" && cursor.left >= 0) pointed?.(data[0][at], data.slice(1).map((values) => values[at]));
          else pointed?.(null, []);
        },
      ],
    },
    bands: bands.map((pair, number) => ({ series: pair.map((one) => one + 1), fill: () => css(number === 0 ? "--band" : "--band-live") })),
  };
  const chart = new uPlot(options, [[], ...series.map(() => [])], place);
  const end = followed(
    place,
    () => chart.redraw(false, true),
    (width) => width > 0 && width !== chart.width && chart.setSize({ width, height }),
  );
  return {
    set(times, values, span = null) {
      range = span;
      chart.setData([times, ...values]);
    },
    destroy() {
      end();
      chart.destroy();
    },
  };
}

const LEVELS = { ok: "--ok", warn: "--warn", bad: "--bad", info: "--accent" };

/** The colour of an event's mark. */
export function levelColour(level) {
  return css(LEVELS[level] ?? "--wait");
}

/** Draw cut-offs across, and marks of events down the chart. */
function lines(chart, cuts, marks) {
  const { ctx, bbox } = chart;
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.lineWidth = 1.25 * ratio;
  for (const { at, colour } of cuts) {
    const y = Math.round(chart.valToPos(at, "y", true));
    ctx.strokeStyle = css(colour);
    ctx.setLineDash([6 * ratio, 4 * ratio]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
  }
  for (const { at, level } of marks) {
    const place = Math.round(chart.valToPos(at, "x", true));
    ctx.strokeStyle = levelColour(level);
    ctx.setLineDash(level === "info" ? [2 * ratio, 3 * ratio] : []);
    ctx.beginPath();
    ctx.moveTo(place, bbox.top);
    ctx.lineTo(place, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}

/** Some air above and below, cut-offs in sight; a flat line gets a scale all the same. */
function roomy(low, high, cuts, floor) {
  if (low === null || high === null) return [0, 1];
  const [least, most] = [Math.min(low, ...cuts), Math.max(high, ...cuts)];
  const air = Math.max((most - least) * 0.12, Math.abs(most) * 0.02, 1e-4);
  return [floor === null ? least - air : Math.max(floor, least - air), most + air];
}
