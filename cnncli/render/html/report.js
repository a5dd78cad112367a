"use strict";
const facts = JSON.parse(document.getElementById("facts").textContent);

/** An element with properties and children; text is always text, never markup. */
function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in element) element[key] = value; else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}
const percent = (share) => (100 * share).toFixed(1) + " %";
const counted = (number, word) => number.toLocaleString("en") + " " + word + (number === 1 ? "" : "s");

/* ---- the confusion matrix: names of its classes; cells as [actual, predicted, images, shown] */

const cells = new Map(facts.cells.map((cell) => [cell[0] + "/" + cell[1], cell]));
const totals = facts.names.map((_, row) => facts.cells.reduce((sum, cell) => sum + (cell[0] === row ? cell[2] : 0), 0));
const mistakes = facts.names.map((_, row) =>
  facts.cells.reduce((sum, cell) => sum + (cell[0] === row && cell[1] !== row ? cell[2] : 0), 0));
let pressed = null;

function order(by) {
  const rows = facts.names.map((_, index) => index);
  const compare = {
    name: (a, b) => facts.names[a].localeCompare(facts.names[b]),
    images: (a, b) => totals[b] - totals[a],
    mistakes: (a, b) => mistakes[b] - mistakes[a],
  };
  return rows.sort(compare[by]);
}

function drawMatrix() {
  const rows = order(document.getElementById("order").value);
  const head = make("tr", {}, make("td"), ...rows.map((column) =>
    make("th", { scope: "col", title: facts.names[column] }, make("span", {}, facts.names[column]))));
  const body = rows.map((row) => make("tr", {},
    make("th", { scope: "row", title: facts.names[row] }, facts.names[row]),
    ...rows.map((column) => drawCell(row, column))));
  document.getElementById("matrix").replaceChildren(make("thead", {}, head), make("tbody", {}, ...body));
  const buttons = [...document.querySelectorAll("#matrix button")];
  buttons.forEach((button) => { button.tabIndex = -1; });  // one stop for Tab, arrows within
  const first = buttons.find((button) => button.getAttribute("aria-pressed") === "true") || buttons[0];
  if (first) first.tabIndex = 0;
}

function drawCell(row, column) {
  const cell = cells.get(row + "/" + column);
  const tableCell = make("td", { className: row === column ? "correct" : "" });
  if (!cell) return tableCell;
  const share = cell[2] / totals[row];
  const text = `${counted(cell[2], "image")} of ${facts.names[row]} predicted as ${facts.names[column]} (${percent(share)})`;
  const button = make("button", { type: "button", title: text, className: share > 0.55 ? "dark" : "" }, String(cell[2]));
  button.setAttribute("aria-label", text);
  button.setAttribute("aria-pressed", String(pressed === cell));
  button.style.setProperty("--share", Math.max(share, 0.08).toFixed(3));
  button.addEventListener("click", () => {
    document.querySelectorAll("#matrix [aria-pressed=true]").forEach((other) => other.setAttribute("aria-pressed", "false"));
    button.setAttribute("aria-pressed", "true");
    pressed = cell;
    showCell(cell);
  });
  tableCell.append(button);
  return tableCell;
}

function showCell([row, column, count, shown]) {
  const title = row === column
    ? `${facts.names[row]}, predicted correctly: ${counted(count, "image")}`
    : `${facts.names[row]} predicted as ${facts.names[column]}: ${counted(count, "image")}`;
  const pictured = shown.filter((image) => image[2]).map(([path, probability, picture]) => {
    const source = picture.startsWith("#") ? document.getElementById(picture.slice(1)).src : picture;
    return make("li", {}, make("img", { src: source, alt: title }), make("p", { className: "path" }, path), make("p", {}, percent(probability)));
  });
  const named = shown.filter((image) => !image[2]).map(([path, probability]) =>
    make("li", { className: "path" }, `${path} ${percent(probability)}`));
  const hidden = count - shown.length;
  document.getElementById("cell").replaceChildren(
    make("h3", { role: "status" }, title),
    make("ul", { className: "gallery" }, ...pictured),
    ...(named.length ? [make("ul", { className: "names" }, ...named)] : []),
    ...(hidden > 0 ? [make("p", {}, `and ${hidden.toLocaleString("en")} more, in predictions.csv`)] : []));
}

document.getElementById("order").addEventListener("change", drawMatrix);
document.getElementById("matrix").addEventListener("keydown", (event) => {
  const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
  const tableCell = event.target.closest("td");
  if (!step || !tableCell) return;
  const lines = [...document.querySelectorAll("#matrix tbody tr")];
  let row = lines.indexOf(tableCell.parentElement), column = tableCell.cellIndex;
  for (;;) {
    row += step[0]; column += step[1];
    const next = lines[row] && lines[row].cells[column];
    if (!next || column < 1) return;
    const button = next.querySelector("button");
    if (button) {
      event.preventDefault();
      event.target.tabIndex = -1;
      button.tabIndex = 0;
      button.focus();
      return;
    }
  }
});
drawMatrix();

/* ---- tables that are sorted by a click on a column's title */

function value(row, column) {
  const text = row.cells[column].textContent.trim();
  const number = parseFloat(text.replace(/,/g, ""));
  return Number.isNaN(number) ? text : number;
}
for (const table of document.querySelectorAll("table.sortable")) {
  const titles = [...table.tHead.rows[0].cells];
  titles.forEach((title, column) => {
    const isNumber = title.classList.contains("number");
    const button = make("button", { type: "button" }, ...title.childNodes);
    title.replaceChildren(button);
    button.addEventListener("click", () => {
      const current = title.getAttribute("aria-sort");
      const initial = isNumber ? "descending" : "ascending";
      const next = current ? (current === "ascending" ? "descending" : "ascending") : initial;
      titles.forEach((other) => other.removeAttribute("aria-sort"));
      title.setAttribute("aria-sort", next);
      const sign = next === "ascending" ? 1 : -1;
      const rows = [...table.tBodies[0].rows].sort((one, other) => {
        if (!isNumber) return sign * one.cells[column].textContent.localeCompare(other.cells[column].textContent);
        const a = value(one, column), b = value(other, column);
        if (typeof a === "string") return 1;
        if (typeof b === "string") return -1;
        return sign * (a - b);
      });
      table.tBodies[0].append(...rows);
    });
  });
}
