// Says that there are new lines, and does not move what is being read. Everything else works without this file.
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
