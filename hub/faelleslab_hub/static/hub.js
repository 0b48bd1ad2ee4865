// The little the pages need of script: progress of a start, stopping a server, showing the password. All of them also
// work, with less comfort, when scripts are off. Texts are written as text, never as HTML.
"use strict";

const SLOW_AFTER_MS = 20000;

function followStart(element) {
  const bar = document.getElementById("fremdrift");
  const text = document.getElementById("fremdrift-tekst");
  const slow = document.getElementById("fremdrift-langsom");
  const source = new EventSource(element.dataset.progress);
  setTimeout(() => { slow.hidden = false; }, SLOW_AFTER_MS);
  source.onmessage = (message) => {
    const event = JSON.parse(message.data);
    if (event.ready || event.failed) {
      source.close();
      bar.value = 100;
      text.textContent = event.ready ? "Klar. Arbejdsbordet åbnes." : "Starten lykkedes ikke.";
      // The hub knows the way from here: to the server, or to the page that says what went wrong.
      window.location.reload();
      return;
    }
    if (typeof event.progress === "number") { bar.value = Math.max(bar.value, event.progress); }
    // JupyterHub's own events are English; ours carry `text`.
    if (event.text) { text.textContent = event.text; }
  };
  // The hub is away or the start has ended meanwhile: the page itself finds out which.
  source.onerror = () => { source.close(); setTimeout(() => window.location.reload(), 3000); };
}

function stopOnClick(button) {
  const status = document.getElementById("stop-status");
  button.addEventListener("click", async () => {
    button.disabled = true;
    status.textContent = "Arbejdsbordet stopper.";
    try {
      const answer = await fetch(button.dataset.stop, { method: "DELETE", headers: { "X-XSRFToken": button.dataset.xsrf } });
      if (!answer.ok) { throw new Error(String(answer.status)); }
      window.location.reload();
    } catch {
      status.textContent = "Arbejdsbordet kunne ikke stoppes. Genindlæs siden, og prøv igen.";
      button.disabled = false;
    }
  });
}

function showPasswordOnClick(button) {
  const field = document.getElementById(button.dataset.showPassword);
  button.hidden = false;
  button.addEventListener("click", () => {
    const shown = field.type === "text";
    field.type = shown ? "password" : "text";
    button.setAttribute("aria-pressed", String(!shown));
  });
}

function inLocalTime(element) {
  const format = { dateStyle: "short", timeStyle: "short" };
  element.textContent = new Date(element.dateTime).toLocaleString("da-DK", format);
}

document.querySelectorAll("time[datetime]").forEach(inLocalTime);
document.querySelectorAll("[data-progress]").forEach(followStart);
document.querySelectorAll("[data-stop]").forEach(stopOnClick);
document.querySelectorAll("[data-show-password]").forEach(showPasswordOnClick);
document.querySelectorAll("[data-focus]").forEach((element) => element.focus());
