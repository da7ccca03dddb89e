// Comma-separated values, RFC 4180: read into rows of text, and written.

/** Rows of text; takes lone CR, LF and CRLF as line ends, and quoted cells. */
export function readCsv(text) {
  const rows = [];
  let row = [];
  let cell = "";
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const sign = text[at];
    if (quoted) {
      if (sign !== '"') cell += sign;
      else if (text[at + 1] === '"') {
        cell += sign;
        at++;
      } else quoted = false;
    } else if (sign === '"' && cell === "") quoted = true;
    else if (sign === ",") {
      row.push(cell);
      cell = "";
    } else if (sign === "\n" || sign === "\r") {
      if (sign === "\r" && text[at + 1] === "\n") at++;
      row.push(cell);
      if (row.length > 1 || row[0] !== "") rows.push(row);
      row = [];
      cell = "";
    } else cell += sign;
  }
  row.push(cell);
  if (row.length > 1 || row[0] !== "") rows.push(row);
  return rows;
}

/** The column of SMILES in the header of a table, as the service finds it; null for a plain list. */
export function smilesColumn(text) {
  const line = text.replace(/^\ufeff?[\r\n]*(?:"?sep=[,;|\t]"?[\r\n]+)?/i, "").split(/[\r\n]/, 1)[0];
  for (const sign of [",", "\t", ";"]) {
    const cells = line.split(sign).map((cell) => cell.replace(/^"(.*)"$/, "$1"));
    const found = cells.find((cell) => cell.toLowerCase() === "smiles") ?? cells.find((cell) => /smiles/i.test(cell)) ?? cells.find((cell) => /^inchi$/i.test(cell));
    if (cells.length > 1 && found) return found;
  }
  return null;
}

export function writeCsv(rows) {
  return rows.map((row) => row.map(written).join(",")).join("\n") + "\n";
}

function written(value) {
  let text = value === null || value === undefined ? "" : String(value);
  // A spreadsheet would run text that begins like this as a formula; numbers are what they are.
  if (typeof value === "string" && /^[=+@\t]|^-(?![\d.])/.test(text)) text = `'${text}`;
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/**
 * A table as the service takes it, with a header. Where the first line is numbers alone, columns are
 * named by position, and those beyond the last name `extra_1`, …: official files often lack a header.
 */
export function withHeader(text, names) {
  const first = readCsv(text.slice(0, text.search(/[\r\n]/) + 1 || text.length))[0] ?? [];
  const bare = first.length >= names.length && first.every((cell) => cell.trim() !== "" && !isNaN(cell));
  if (!bare) return { text, added: false };
  const header = first.map((_, place) => names[place] ?? `extra_${place - names.length + 1}`);
  return { text: `${writeCsv([header])}${text}`, added: true };
}
