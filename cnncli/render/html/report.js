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
const percent = (share) => (100 * share).toFixed(1) + "\u00a0%";
const breakable = (path) => [path.slice(0, -8), make("wbr"), path.slice(-8)];  // not within the file's ending
const counted = (number, word) => number.toLocaleString("en") + " " + word + (number === 1 ? "" : "s");

/* ---- confusion matrices, one per network: names of its classes; cells as [actual, predicted, images, shown] */

function prepareMatrix(block, { names, file, cells }) {
  const byPosition = new Map(cells.map((cell) => [cell[0] + "/" + cell[1], cell]));
  const sum = (counts) => names.map((_, row) => cells.reduce((total, cell) => total + (counts(cell, row) ? cell[2] : 0), 0));
  const totals = sum((cell, row) => cell[0] === row);
  const mistakes = sum((cell, row) => cell[0] === row && cell[1] !== row);
  const table = block.querySelector(".matrix");
  let pressed = null;

  function draw(order) {
    const compare = {
      name: (a, b) => names[a].localeCompare(names[b]),
      images: (a, b) => totals[b] - totals[a],
      mistakes: (a, b) => mistakes[b] - mistakes[a],
    };
    const rows = names.map((_, index) => index).sort(compare[order]);
    const head = make("tr", {}, make("td"), ...rows.map((column) =>
      make("th", { scope: "col", title: names[column] }, make("span", {}, names[column]))));
    const body = rows.map((row) => make("tr", {},
      make("th", { scope: "row", title: names[row] }, names[row]),
      ...rows.map((column) => drawCell(row, column))));
    table.replaceChildren(make("thead", {}, head), make("tbody", {}, ...body));
    const buttons = [...table.querySelectorAll("button")];
    buttons.forEach((button) => { button.tabIndex = -1; });  // one stop for Tab, arrows within
    const first = buttons.find((button) => button.getAttribute("aria-pressed") === "true") || buttons[0];
    if (first) first.tabIndex = 0;
  }

  function drawCell(row, column) {
    const cell = byPosition.get(row + "/" + column);
    const tableCell = make("td", { className: row === column ? "correct" : "" });
    if (!cell) return tableCell;
    const share = cell[2] / totals[row];
    const text = `${counted(cell[2], "image")} of ${names[row]} predicted as ${names[column]} (${percent(share)})`;
    const button = make("button", { type: "button", title: text, className: share > 0.55 ? "dark" : "" }, String(cell[2]));
    button.setAttribute("aria-label", text);
    button.setAttribute("aria-pressed", String(pressed === cell));
    button.style.setProperty("--share", Math.max(share, 0.08).toFixed(3));
    button.addEventListener("click", () => {
      table.querySelectorAll("[aria-pressed=true]").forEach((other) => other.setAttribute("aria-pressed", "false"));
      button.setAttribute("aria-pressed", "true");
      pressed = cell;
      showCell(cell);
    });
    tableCell.append(button);
    return tableCell;
  }

  function showCell([row, column, count, shown]) {
    const title = row === column
      ? `${names[row]}, predicted correctly: ${counted(count, "image")}`
      : `${names[row]} predicted as ${names[column]}: ${counted(count, "image")}`;
    const pictured = shown.filter((image) => image[2]).map(([path, probability, picture]) => {
      const source = picture.startsWith("#") ? document.getElementById(picture.slice(1)).src : picture;
      return make("li", {}, make("img", { src: source, alt: title }), make("p", { className: "path" }, ...breakable(path)), make("p", {}, percent(probability)));
    });
    const named = shown.filter((image) => !image[2]).map(([path, probability]) =>
      make("li", { className: "path" }, ...breakable(path), ` (${percent(probability)})`));
    const hidden = count - shown.length;
    block.querySelector(".cell").replaceChildren(
      make("h3", { role: "status" }, title),
      make("ul", { className: "gallery" }, ...pictured),
      ...(named.length ? [make("ul", { className: "names" }, ...named)] : []),
      ...(hidden > 0 ? [make("p", {}, `and ${hidden.toLocaleString("en")} more, in ${file}`)] : []));
  }

  table.addEventListener("keydown", moveByArrow);
  return draw;
}

function moveByArrow(event) {
  const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
  const tableCell = event.target.closest("td");
  if (!step || !tableCell) return;
  const lines = [...tableCell.closest("tbody").rows];
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
}

const matrices = [...document.querySelectorAll(".confusion")].map((block, index) => prepareMatrix(block, facts[index]));
const order = document.getElementById("order");  // missing from a report without confusion matrices
if (order) {
  const drawMatrices = () => matrices.forEach((draw) => draw(order.value));
  order.addEventListener("change", drawMatrices);
  drawMatrices();
}

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
