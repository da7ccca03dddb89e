// Heat maps of effects: over time by layer, and now by layer and member. Cut-offs are where colours change.

import { css, followed, levelColour } from "./charts.js";

const ROW = 20;
const LABELS = 74;
const AXIS = 22;
const MARKS = 12;
export const DEGRADED_AT = 0.5;
export const UNHEALTHY_AT = 1;

/** The colour of an effect in standard deviations: calm, degraded from 0.5, unhealthy from 1 on. */
export function effectColour(effect) {
  if (typeof effect !== "number") return null;
  if (effect >= UNHEALTHY_AT) return mixed("--bad", 55 + Math.min(45, 15 * Math.log2(effect)));
  if (effect >= DEGRADED_AT) return mixed("--warn", 45 + 60 * (effect - DEGRADED_AT));
  return mixed("--accent", 5 + 44 * effect);
}

function mixed(name, percent) {
  return `color-mix(in oklab, ${css(name)} ${percent.toFixed(0)}%, ${css("--surface")})`;
}

/**
 * A heat map in `place`: `set({rows, columns, value, axis, marks})`. `rows` are labels, `columns` a
 * number of cells or their `[begin, end]` as shares of the width, `value(row, column)` an effect or null;
 * `axis` is a list of `{at, text}`, `marks` of `{at, level}`, both by share. `pointed(row, column)` is
 * told which cell the pointer is over, and null.
 */
export function heatMap(place, { pointed }) {
  const canvas = document.createElement("canvas");
  place.replaceChildren(canvas);
  let told = null;
  let width = Math.floor(place.clientWidth);
  const redraw = () => told && draw(canvas, told, width);
  const end = followed(place, redraw, (now) => {
    if (now <= 0 || now === width) return;
    width = now;
    redraw();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!told) return;
    const cell = cellAt(told, event.offsetX, event.offsetY, width);
    pointed(cell?.row ?? null, cell?.column ?? null);
  });
  canvas.addEventListener("pointerleave", () => pointed(null, null));
  return {
    set(what) {
      told = what;
      redraw();
    },
    destroy: end,
  };
}

function edges({ columns }, column) {
  return typeof columns === "number" ? [column / columns, (column + 1) / columns] : columns[column];
}

function cellAt(told, x, y, width) {
  const top = told.marks ? MARKS : 0;
  const row = Math.floor((y - top) / ROW);
  const share = (x - LABELS) / (width - LABELS);
  const count = typeof told.columns === "number" ? told.columns : told.columns.length;
  for (let column = 0; column < count; column++) {
    const [begin, end] = edges(told, column);
    if (share >= begin && share < end && row >= 0 && row < told.rows.length) return { row, column };
  }
  return null;
}

function draw(canvas, told, width) {
  const ratio = devicePixelRatio;
  const top = told.marks ? MARKS : 0;
  const high = top + told.rows.length * ROW;
  const height = high + AXIS;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const ctx = canvas.getContext("2d");
  ctx.scale(ratio, ratio);
  ctx.font = '12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
  ctx.textBaseline = "middle";
  const span = width - LABELS;
  const count = typeof told.columns === "number" ? told.columns : told.columns.length;
  ctx.fillStyle = css("--sunken");
  ctx.fillRect(LABELS, top, span, high - top);
  told.rows.forEach((label, row) => {
    ctx.fillStyle = css("--muted");
    ctx.textAlign = "left";
    ctx.fillText(label, 0, top + row * ROW + ROW / 2);
    for (let column = 0; column < count; column++) {
      const colour = effectColour(told.value(row, column));
      if (!colour) continue;
      const [begin, end] = edges(told, column);
      ctx.fillStyle = colour;
      ctx.fillRect(LABELS + begin * span, top + row * ROW + 1, Math.max(1, (end - begin) * span + (typeof told.columns === "number" ? -1 : 0.5)), ROW - 2);
    }
  });
  ctx.fillStyle = css("--muted");
  for (const { at, text } of told.axis) {
    const wide = ctx.measureText(text).width;
    ctx.textAlign = "left";
    ctx.fillText(text, Math.min(width - wide, Math.max(LABELS, LABELS + at * span - wide / 2)), high + AXIS / 2 + 2);
  }
  for (const { at, level } of told.marks ?? []) {
    const x = LABELS + at * span;
    ctx.strokeStyle = ctx.fillStyle = levelColour(level);
    ctx.setLineDash(level === "info" ? [2, 3] : []);
    ctx.lineWidth = 1.25;
    ctx.beginPath();
    ctx.moveTo(x, MARKS - 2);
    ctx.lineTo(x, high);
    ctx.stroke();
    ctx.beginPath();
    ctx.moveTo(x - 4.5, 1);
    ctx.lineTo(x + 4.5, 1);
    ctx.lineTo(x, MARKS - 1);
    ctx.fill();
  }
}

/** The height that a heat map of so many rows takes, so that nothing moves when it is drawn. */
export function heatHeight(rows, marked) {
  return rows * ROW + AXIS + (marked ? MARKS : 0);
}
