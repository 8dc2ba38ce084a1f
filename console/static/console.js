// Says that there are new lines without moving what is being read, keeps the running turn up to date, and takes a few keys.
// Everything else works without this file.
"use strict";

(() => {
  const note = document.getElementById("new");
  const newest = Number(document.body.dataset.newest);
  if (!note || !Number.isSafeInteger(newest)) return;
  const text = note.querySelector("a");
  let count = 0;
  let stream = null;

  const read = () => {
    // The browser sends the last id itself when it comes back after a broken connection.
    stream = new EventSource(`/events?after=${newest + count}`);
    stream.addEventListener("message", () => {
      count += 1;
      text.textContent = count === 1 ? "1 new line in the feed: load the page again" : `${count} new lines in the feed: load the page again`;
      note.hidden = false;
    });
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

// How long what is under way has taken, by the second.
(() => {
  const since = [...document.querySelectorAll("time[data-since]")];
  if (!since.length) return;
  const tell = () => {
    for (const one of since) {
      const seconds = Math.max(Math.floor((Date.now() - Date.parse(one.dataset.since)) / 1000), 0);
      one.textContent = seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
    }
  };
  tell();
  setInterval(tell, 1000);
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
