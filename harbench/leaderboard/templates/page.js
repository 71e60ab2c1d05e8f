// Filters the tables and opens what a link points to. Sorting: sortable.min.js (tofsjonas/sortable).
(function () {
  "use strict";
  const form = document.getElementById("filters");
  const status = document.getElementById("shown");

  function keeps(row, places, choice) {
    const text = row.cells[places[choice.name]].textContent.trim();
    if (choice.name === "name") {
      return text.toLowerCase().includes(choice.value.trim().toLowerCase());
    }
    if (choice.name === "condition" && choice.value === "headline") {
      return "headline" in row.dataset;
    }
    return text === choice.value;
  }

  function columns(table) {
    const places = {};
    table.tHead.querySelectorAll("th[data-key]").forEach((th) => (places[th.dataset.key] = th.cellIndex));
    return places;
  }

  function filter() {
    const choices = Array.from(form.elements).filter((each) => each.name && each.value);
    let shown = 0;
    document.querySelectorAll("table.filtered").forEach((table) => {
      const places = columns(table);
      let own = 0;
      Array.from(table.tBodies[0].rows).forEach((row) => {
        row.hidden = !choices.every((choice) => keeps(row, places, choice));
        own += row.hidden ? 0 : 1;
      });
      const none = document.getElementById(table.id + "-none");
      none.hidden = own > 0;
      shown += own;
    });
    status.textContent = shown + (shown === 1 ? " row" : " rows") + " shown";
  }

  function open() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const details = target && target.closest("details");
    if (details && !details.open) {
      details.open = true;
      target.scrollIntoView();
    }
  }

  if (form) {
    form.hidden = false;
    form.addEventListener("input", filter);
    form.addEventListener("reset", () => setTimeout(filter));
    form.addEventListener("submit", (event) => event.preventDefault());
    filter();
  }
  document.addEventListener("sort-end", (event) => {
    const sorted = event.target.querySelector("th[aria-sort]");
    status.textContent = "Sorted by " + sorted.textContent.trim() + ", " + sorted.getAttribute("aria-sort");
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (link && link.hash === location.hash) open();
  });
  window.addEventListener("hashchange", open);
  open();
})();
