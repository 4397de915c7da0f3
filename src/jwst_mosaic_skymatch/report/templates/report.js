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
    const compareNumbers = (a, b) => {
      const [x, y] = [Number(text(a)), Number(text(b))];
      return isNaN(x) || isNaN(y) ? isNaN(x) - isNaN(y) : sign * (x - y);
    };
    const compareTexts = (a, b) => sign * text(a).localeCompare(text(b));
    const compare = head.classList.contains("number") ? compareNumbers : compareTexts;
    const body = head.closest("table").tBodies[0];
    body.append(...[...body.rows].sort(compare));
  });
}
