// What a page cannot know when it is made: how old it is by now, and from where it is read.
(() => {
  "use strict";
  const aged = document.querySelector(".aged");
  if (new Date().toISOString() >= aged.dataset.from) {
    aged.hidden = false;
    document.body.classList.add("stale");
  }
  if (location.protocol.startsWith("http")) {
    const root = new URL(document.querySelector("link[rel=stylesheet]").getAttribute("href"), location.href);
    for (const box of document.querySelectorAll(".snippet"))
      box.value = box.value.replaceAll("https://ADDRESS-OF-THIS-REPORT/", new URL(".", root).href);
  }
})();

// The filters of a page's tables. Without this the page is complete: the form is hidden and every row is shown.
(() => {
  "use strict";
  const form = document.querySelector("form.filter");
  if (!form) return;
  const rows = [...document.querySelectorAll("tr[data-peers]")];
  const told = form.querySelector("output");
  const words = new Map(rows.map((row) => [row, (row.cells[0].scope ? row.cells[0] : row).textContent.toLowerCase()]));
  const has = (row, facet, value) => (row.dataset[facet] || "").split(" ").includes(value);

  function chosen() {
    const values = {};
    for (const control of form.elements) {
      if (!control.name) continue;
      const value = control.type === "checkbox" ? (control.checked ? "1" : "") : control.value.trim();
      if (value) values[control.name] = value;
    }
    return values;
  }

  function fits(row, { q, peers, problems, changed, ...facets }) {
    if (q && !q.toLowerCase().split(/\s+/).every((word) => words.get(row).includes(word))) return false;
    if (Object.entries(facets).some(([facet, value]) => !has(row, facet, value))) return false;
    if (peers && !has(row, "peers", peers)) return false;
    // With a broker chosen, its problems are meant, and those that need no broker.
    const there = (facet) => (peers ? has(row, facet, peers) || has(row, facet, "-") : Boolean(row.dataset[facet]));
    return (!problems || there("problems")) && (!changed || there("changed"));
  }

  function show() {
    const values = chosen();
    let shown = 0;
    for (const row of rows) {
      row.hidden = !fits(row, values);
      const more = row.nextElementSibling;
      if (more?.className === "why") more.hidden = row.hidden;
      shown += row.hidden ? 0 : 1;
    }
    // What has no row left would only be a heading.
    for (const part of document.querySelectorAll("tbody, section")) {
      const inside = [...part.querySelectorAll("tr[data-peers]")];
      if (inside.length) part.hidden = inside.every((row) => row.hidden);
    }
    const hidden = rows.length - shown;
    told.textContent = hidden ? `${shown} of ${rows.length} ${form.dataset.noun} shown, ${hidden} hidden` : "";
    form.querySelector("button").hidden = !Object.keys(values).length;
    return values;
  }

  function remember(values) {
    const query = new URLSearchParams(values).toString();
    try {
      history.replaceState(null, "", (query ? `?${query}` : location.pathname) + location.hash);
    } catch {
      // Some browsers refuse this for a page that was opened as a file: then the address stays as it was.
    }
  }

  for (const [name, value] of new URLSearchParams(location.search)) {
    const control = form.elements.namedItem(name);
    if (!control) continue;
    if (control.type === "checkbox") control.checked = value === "1";
    else control.value = value;
    // A choice that this page no longer has must not hide everything.
    if (control.tagName === "SELECT" && control.selectedIndex < 0) control.value = "";
  }
  form.addEventListener("input", () => remember(show()));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => remember(show())));
  form.hidden = false;
  show();
  // The place that the address names may have moved while rows were hidden.
  if (location.search && location.hash) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
})();
