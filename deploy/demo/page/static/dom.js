// Elements from data. Text only ever becomes text nodes, so nothing a car or driver is called can become markup.

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element with attributes and children (strings, nodes, null). */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** An SVG element. */
export function s(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

export const by = (id) => document.getElementById(id);

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** A table of text: `head` names, `rows` of cells; the first cell of a row heads it. `mark(row, column)` gives a class. */
export function fillTable(table, head, rows, mark = () => null) {
  table.replaceChildren(
    h("thead", {}, h("tr", {}, head.map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, rows.map((cells, row) => h("tr", { class: mark(row, -1) }, cells.map((cell, column) =>
      column === 0 ? h("th", { scope: "row" }, cell) : h("td", { class: mark(row, column) }, cell))))),
  );
}
