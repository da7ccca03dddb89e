// uPlot with the page's colours, sized by its place, redrawn when the theme changes.

/* global uPlot */

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
export const MEMBER_COLOURS = 6;
export const memberColour = (member) => css(`--line-${(member % MEMBER_COLOURS) + 1}`);

const FONT = '12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
const drawn = new Set();

document.addEventListener("snn-theme", () => drawn.forEach((chart) => chart.redraw(false, true)));

const resized = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) {
    const chart = target.chart;
    const width = Math.floor(contentRect.width);
    if (chart && width > 0 && width !== chart.width) chart.setSize({ width, height: chart.height });
  }
});

/**
 * A line chart in `place`. `series` are `{label, colour, dash, width, points}`, colours by function;
 * `bands` are `[upper, lower]` pairs of places in `series`. `x` is "time" or "layer". `pointed(x, values)`
 * is told what the pointer is over, and null when it leaves.
 */
export function lineChart(place, { series, bands = [], x = "time", height = 150, pointed }) {
  const axis = (more) => ({
    stroke: () => css("--muted"),
    font: FONT,
    grid: { stroke: () => css("--grid"), width: 1 },
    ticks: { show: false },
    ...more,
  });
  const options = {
    width: Math.max(160, Math.floor(place.clientWidth)),
    height,
    legend: { show: false },
    cursor: { points: { show: false }, y: false, drag: { x: false, y: false } },
    scales: {
      // A moment has no width: what has just begun is drawn as the end of twenty seconds.
      x: x === "time" ? { time: true, range: (_, low, high) => [Math.min(low ?? 0, (high ?? 20) - 20), high ?? 20] } : { time: false, range: (_, low, high) => [low - 0.3, high + 0.3] },
      y: { range: (_, low, high) => roomy(low, high) },
    },
    axes: [
      axis(
        x === "time"
          ? { size: 28, space: 70, values: (_, ticks) => ticks.map((tick) => new Date(tick * 1000).toTimeString().slice(0, 8)) }
          : { size: 28, incrs: [1, 2, 4, 8], values: (_, ticks) => ticks.map((tick) => `${tick}`) },
      ),
      axis({ size: 46, space: 22 }),
    ],
    series: [
      {},
      ...series.map((one) => ({
        label: one.label,
        stroke: one.colour,
        width: one.width ?? 1.5,
        dash: one.dash,
        points: { show: one.points ?? false, size: 6, fill: () => css("--surface") },
        spanGaps: false,
      })),
    ],
    hooks: {
      setCursor: [
        ({ cursor, data }) => {
          const at = cursor.idx;
          if (typeof at === "number" && cursor.left >= 0) pointed(data[0][at], data.slice(1).map((values) => values[at]));
          else pointed(null, []);
        },
      ],
    },
    bands: bands.map((pair) => ({ series: pair.map((number) => number + 1), fill: () => css("--band") })),
  };
  const chart = new uPlot(options, [[], ...series.map(() => [])], place);
  place.chart = chart;
  resized.observe(place);
  drawn.add(chart);
  return {
    set(times, values) {
      chart.setData([times, ...values]);
    },
    destroy() {
      resized.unobserve(place);
      drawn.delete(chart);
      chart.destroy();
    },
  };
}

/** Some air above and below; a flat line gets a scale all the same. */
function roomy(low, high) {
  if (low === null || high === null) return [0, 1];
  const air = Math.max((high - low) * 0.12, Math.abs(high) * 0.02, 0.01);
  return [low - air, high + air];
}
