// Says that there are new lines without moving what is being read, keeps the running turn up to date, and takes a few keys.
// Everything else works without this file.
"use strict";

// How long what is under way has taken, and since when there was no word of it, by the second and by the server's clock.
const running = document.getElementById("running");
const ahead = running ? Date.now() - Date.parse(running.dataset.now) : 0;
const told = (seconds) => (seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`);
const since = (instant) => Math.max(Math.floor((Date.now() - ahead - Date.parse(instant)) / 1000), 0);
const QUIET = 10;

const tick = () => {
  for (const one of document.querySelectorAll("time[data-since]")) one.textContent = told(since(one.dataset.since));
  for (const one of document.querySelectorAll(".quiet[data-heard]")) {
    const seconds = since(one.dataset.heard);
    one.textContent = seconds < QUIET ? "" : `; no word for ${told(seconds)}${"lost" in one.dataset ? ", nor of its worker" : ""}`;
  }
};

// What is under way of the run that the page is about. Words only; the place that it takes does not shrink, so that what
// stands below it, and is perhaps being read, stays where it is.
const show = (now) => {
  running.style.minHeight = `${running.offsetHeight}px`;
  running.querySelector(".said").textContent = `Now: ${now.said}`;
  const items = now.going.map((one) => {
    const item = document.createElement("li");
    const time = document.createElement("time");
    const quiet = document.createElement("span");
    time.dateTime = time.dataset.since = one.since;
    quiet.className = "quiet";
    if (one.heard) quiet.dataset.heard = one.heard;
    if (one.lost) quiet.dataset.lost = "";
    item.append(one.before, time, one.after, quiet);
    return item;
  });
  if (!items.length) {
    items.push(document.createElement("li"));
    items[0].textContent = "Nothing is under way.";
  }
  running.querySelector("ul").replaceChildren(...items);
  tick();
};

if (document.querySelector("time[data-since]") || running) {
  tick();
  setInterval(tick, 1000);
}

(() => {
  const note = document.getElementById("new");
  const newest = Number(document.body.dataset.newest);
  if (!note || !Number.isSafeInteger(newest)) return;
  const text = note.querySelector("a");
  const about = running ? `&run=${encodeURIComponent(running.dataset.run)}` : "";
  let count = 0;
  let stream = null;

  const read = () => {
    // The browser sends the last id itself when it comes back after a broken connection.
    stream = new EventSource(`/events?after=${newest + count}${about}`);
    stream.addEventListener("message", () => {
      count += 1;
      text.textContent = count === 1 ? "1 new line in the feed: load the page again" : `${count} new lines in the feed: load the page again`;
      note.hidden = false;
    });
    stream.addEventListener("running", (event) => show(JSON.parse(event.data)));
  };

  // A page that nobody looks at keeps no session alive.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden && stream) {
      stream.close();
      stream = null;
    } else if (!document.hidden && !stream) {
      read();
    }
  });
  read();
})();

// Keys. None of them decides anything: a, r and c lead to a form, which is sent by its own button.
(() => {
  const items = [...document.querySelectorAll(".card, .feed > .line, main tbody tr, [data-place]")];
  let place = "";

  const move = (step) => {
    if (!items.length) return;
    const now = items.indexOf(document.activeElement?.closest(".card, .line, tr, [data-place]"));
    const next = items[Math.min(Math.max(now === -1 && step < 0 ? 0 : now + step, 0), items.length - 1)];
    next.tabIndex = -1;
    next.focus();
    place = next.dataset.place ?? place;
  };

  const enter = (key) => {
    const form = document.querySelector(`form[data-key="${key}"]`);
    if (!form) return;
    const about = place && [...form.querySelectorAll('[name^="place."]')].find((one) => !one.value);
    if (about) about.value = place;
    const first = about ? about.closest(".remark").querySelector("textarea") : form.querySelector("select, textarea, input:not([type=hidden])");
    first?.focus();
  };

  const keys = {
    j: () => move(1),
    k: () => move(-1),
    a: () => enter("a"),
    r: () => enter("r"),
    c: () => enter("c"),
    "/": () => document.querySelector("form.filter input")?.focus(),
    "?": () => document.getElementById("keys")?.showModal(),
  };

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select, dialog[open]");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  });
})();
