/* Installs the worker that shows pages without a network, and says on such a page how old it is. Nothing can be sent
   from it. */

import { localise } from "./time.js";

const SENDS = "main form :is(button, input, select, textarea), main [popovertarget]";

if ("serviceWorker" in navigator) navigator.serviceWorker.register("/service-worker.js").catch(() => {});

const written = document.body.dataset.offline;
const words = document.getElementById("offline-note");

if (written && words) {
  const main = document.getElementById("main");
  main.prepend(words.content.cloneNode(true));
  main.querySelector(".notice time").dateTime = written;
  localise(main);
  for (const control of document.querySelectorAll(SENDS)) control.disabled = true;
  addEventListener("online", back);
}

/* A device that says it is online may still not reach Halyard. */
async function back() {
  const answer = await fetch("/healthz", { cache: "no-store" }).catch(() => null);
  if (answer?.ok) location.reload();
}
