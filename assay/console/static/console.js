// The console works without this file; with it there are keys, copy buttons and a chart that picks its scans.
"use strict";

const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const one = (selector) => document.querySelector(selector);

const element = (name, options = {}, ...children) => {
  const made = Object.assign(document.createElement(name), options);
  made.append(...children);
  return made;
};

// A region that says what happened to those who cannot see it.
const status = element("p", { className: "vh" });
status.setAttribute("role", "status");
document.body.append(status);

// 1. Copy -----------------------------------------------------------------------------------------------------
const copy = async (text, button) => {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Press Ctrl C";
  }
  status.textContent = button.textContent;
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
};

const copyButton = (text) => {
  const button = element("button", { type: "button", className: "btn btn-quiet copy", textContent: "Copy" });
  button.addEventListener("click", () => copy(text(), button));
  return button;
};

all(".code > pre").forEach((pre) => pre.parentElement.append(copyButton(() => pre.textContent)));
all("[data-copy]").forEach((holder) => holder.after(copyButton(() => holder.dataset.copy)));

// 2. Tables: one row has the focus, j and k move it -----------------------------------------------------------
const rowLinks = () => all("main table tbody th[scope=row] a:first-of-type");

const move = (step) => {
  const links = rowLinks();
  if (!links.length) return;
  const at = links.indexOf(document.activeElement);
  const next = links[at < 0 ? (step > 0 ? 0 : links.length - 1) : at + step];
  if (next) {
    next.focus();
    next.scrollIntoView({ block: "nearest" });
  }
};

// 3. Keys: only outside fields, and only while they are switched on (WCAG 2.1.4) --------------------------------
const KEYS = "assay-keys";
const keysOn = () => localStorage.getItem(KEYS) !== "off";
const PLACES = { o: "/", r: "/r", k: "/vaults", c: "/c", d: "/d", f: "/feeds", a: "/audit" };
let waiting = false;

const help = () => {
  const rows = [
    ["/", "Search"], ["j  k", "Next row, row before"], ["Enter", "Open the row"],
    ["g o", "Overview"], ["g r", "Repositories"], ["g k", "Vaults and keys"], ["g c", "Clusters"],
    ["g d", "Decisions"], ["g f", "Feeds"], ["g a", "Audit"], ["?", "This list"],
  ];
  const facts = element("dl", { className: "facts" });
  rows.forEach(([key, words]) => facts.append(element("dt", {}, element("kbd", { textContent: key })), element("dd", { textContent: words })));
  const box = element("input", { type: "checkbox", checked: keysOn() });
  box.addEventListener("change", () => localStorage.setItem(KEYS, box.checked ? "on" : "off"));
  const dialog = element("dialog", { className: "dialog dialog-sm" },
    element("form", { method: "dialog" },
      element("header", {}, element("h2", { textContent: "Keys", id: "keys-h" })),
      element("div", { className: "body" }, facts, element("label", { className: "check" }, box, element("span", { textContent: "Keys are on" }))),
      element("footer", {}, element("button", { className: "btn", textContent: "Close" }))));
  dialog.setAttribute("aria-labelledby", "keys-h");
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
};

const inField = (target) => target.closest("input, select, textarea, dialog, [contenteditable]");

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || inField(event.target)) return;
  if (event.key === "?" ) return help();
  if (!keysOn()) return;
  if (waiting) {
    waiting = false;
    const place = PLACES[event.key];
    if (place && one(`.rail a[href="${place}"]`)) location.assign(place);
    return;
  }
  const acts = { "/": () => one("#q")?.focus(), j: () => move(1), k: () => move(-1), g: () => { waiting = true; setTimeout(() => { waiting = false; }, 1500); } };
  if (acts[event.key]) {
    event.preventDefault();
    acts[event.key]();
  }
});

// 4. The chart: click sets B, Shift and click sets A, arrows move along the scans, Enter compares ----------------
const chart = one("svg.chart");
const form = one("form[data-compare]");
if (chart && form) {
  const marks = all("a[data-scan]", chart).sort((a, b) => Number(a.dataset.at) - Number(b.dataset.at));
  const pick = (select, scan) => {
    if (![...select.options].some((option) => option.value === scan)) return;
    select.value = scan;
    status.textContent = `${select.name === "from" ? "A" : "B"}: ${select.selectedOptions[0].textContent}`;
  };
  marks.forEach((mark, index) => {
    mark.addEventListener("click", (event) => {
      event.preventDefault();
      pick(form.elements[event.shiftKey ? "from" : "to"], mark.dataset.scan);
    });
    mark.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) {
        event.preventDefault();
        marks[index + step]?.focus();
      } else if (event.key === "Enter") {
        event.preventDefault();
        pick(form.elements[event.shiftKey ? "from" : "to"], mark.dataset.scan);
        if (!event.shiftKey) form.requestSubmit();
      }
    });
  });
}

// 5. The whole time, in UTC and where the reader is --------------------------------------------------------------
all("time[datetime]").forEach((time) => {
  const local = new Date(time.dateTime).toLocaleString([], { dateStyle: "medium", timeStyle: "long" });
  time.title = `${time.dateTime.replace("T", " ").replace("Z", " UTC")}\n${local}`;
});
