"use strict";
// A click on the head of a column sorts its table; cells without a number come last.
for (const button of document.querySelectorAll("thead button")) {
  button.addEventListener("click", () => {
    const head = button.parentNode;
    const column = head.cellIndex;
    const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    for (const other of head.parentNode.cells) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    const text = (row) => row.cells[column].textContent;
    const isNumber = head.classList.contains("number");
    const compare = (a, b) => {
      const [x, y] = [a, b].map((row) => (isNumber ? Number(text(row)) : text(row)));
      if (!isNumber) return sign * x.localeCompare(y);
      return isNaN(x) || isNaN(y) ? isNaN(x) - isNaN(y) : sign * (x - y);
    };
    const body = head.closest("table").tBodies[0];
    body.append(...[...body.rows].sort(compare));
  });
}
