"use strict";
(() => {
  // Rows of a table: sorted by the head that is pressed, filtered by the words that are typed.
  const number = (row, column) => {
    const text = row.cells[column].textContent.trim();
    return text === "n/a" ? NaN : Number(text);
  };
  const sortRows = (table, head) => {
    const column = head.cellIndex;
    const numeric = head.dataset.numeric === "yes";
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of head.parentNode.cells) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const sign = down ? -1 : 1;
    const compare = numeric
      ? (a, b) => {
          const [x, y] = [number(a, column), number(b, column)];
          // What has no number comes last, whichever way.
          return isNaN(x) || isNaN(y) ? isNaN(x) - isNaN(y) : sign * (x - y);
        }
      : (a, b) => sign * a.cells[column].textContent.localeCompare(b.cells[column].textContent);
    const body = table.tBodies[0];
    body.append(...[...body.rows].sort(compare));
  };
  const filterRows = (table, words, count) => {
    const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of table.tBodies[0].rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !wanted.every((word) => text.includes(word));
      shown += !row.hidden;
    }
    count.textContent = `${shown} of ${table.tBodies[0].rows.length}`;
  };

  // Marks of the sky figure and rows of tables belong together by kind and number.
  const linked = new Map();
  for (const element of document.querySelectorAll("[data-row]")) {
    const key = `${element.dataset.kind} ${element.dataset.row}`;
    if (!linked.has(key)) linked.set(key, []);
    linked.get(key).push(element);
  }
  const said = document.querySelector(".pointed");
  const isRow = (element) => element.tagName === "TR";
  const partners = (element) => linked.get(`${element.dataset.kind} ${element.dataset.row}`);
  let marked = [];
  const mark = (element) => {
    for (const other of marked) other.classList.remove("on");
    marked = partners(element);
    for (const other of marked) {
      other.classList.add("on");
      if (isRow(other) && other !== element) {
        // Inside its table alone: the page stays where it is.
        const frame = other.closest(".scroll");
        frame.scrollTop = other.offsetTop - frame.clientHeight / 2;
      }
    }
    const drawn = marked.find((other) => !isRow(other));
    if (said && drawn) said.textContent = drawn.getAttribute("aria-label");
  };
  const goTo = (element) => {
    const other = partners(element).find((one) => isRow(one) !== isRow(element));
    if (!other) return;
    other.hidden = false;
    other.scrollIntoView({ block: "center" });
    other.focus();
  };
  const neighbours = (element) =>
    isRow(element)
      ? [...element.parentNode.rows].filter((row) => !row.hidden)
      : [...document.querySelectorAll(`svg [data-kind="${element.dataset.kind}"]`)];
  const keys = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };
  const onKey = (event) => {
    const element = event.target.closest("[data-row]");
    if (!element) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      goTo(element);
    } else if (event.key in keys) {
      const all = neighbours(element);
      const next = all[all.indexOf(element) + keys[event.key]];
      if (!next) return;
      event.preventDefault();
      element.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    }
  };
  const onPoint = (event) => {
    const element = event.target.closest("[data-row]");
    if (element) mark(element);
  };
  document.addEventListener("pointerover", onPoint);
  document.addEventListener("focusin", onPoint);
  document.addEventListener("keydown", onKey);
  document.addEventListener("click", (event) => {
    const element = event.target.closest("svg [data-row]");
    if (element) goTo(element);
  });
  // One of each kind can be reached by the tabulator, the others by arrow keys.
  for (const kind of ["exposure", "pair"]) {
    for (const part of ["svg", "table"]) {
      const first = document.querySelector(`${part} [data-kind="${kind}"][data-row]`);
      if (first) first.tabIndex = 0;
    }
  }
  for (const section of document.querySelectorAll(".sortable")) {
    const table = section.querySelector("table");
    const input = section.querySelector("input");
    const count = section.querySelector("output");
    for (const head of table.tHead.rows[0].cells) {
      head.firstElementChild.addEventListener("click", () => sortRows(table, head));
    }
    input.addEventListener("input", () => filterRows(table, input.value, count));
    filterRows(table, "", count);
  }
})();
