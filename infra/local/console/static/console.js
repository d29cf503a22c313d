"use strict";
// The live page: what waits and runs, asked for every few seconds, and the upload form.
(() => {
const REFRESH_MS = 2000;
const CHECKED_BYTES = 256 * 1024 * 1024;

/** Which versions of the tables a document was made from. */
function versions(root) {
  return root.querySelector("#versions").dataset.versions;
}

/** A run has changed the tables: replace the answers and draw their charts again. */
async function refreshAnswers() {
  const answer = await fetch("/");
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const id of ["answers", "charts"]) document.getElementById(id).textContent = fresh.getElementById(id).textContent;
  document.querySelectorAll("main > section").forEach((one) => one.remove());
  document.querySelector("main").append(...fresh.querySelectorAll("main > section"));
  document.querySelector("header time").replaceWith(fresh.querySelector("header time"));
  await window.drawCharts();
}

let answered;
let asking = false;

/** Replace the live part if it has changed, and keep what the reader has opened. */
async function refresh(live) {
  if (asking) return;
  asking = true;
  try {
    const answer = await fetch(live.dataset.from);
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const html = await answer.text();
    if (html !== live.shown) {
      const open = [...live.querySelectorAll("details")].map((one) => one.open);
      live.innerHTML = html; // the server's own template, with every value escaped
      live.querySelectorAll("details").forEach((one, at) => { one.open = open[at] ?? false; });
      live.shown = html;
    }
    if (versions(live) !== answered) {
      await refreshAnswers();
      answered = versions(live);
    }
    live.classList.remove("stale");
  } catch {
    live.classList.add("stale"); // the stack has stopped, or is busy: show it, and go on asking
  } finally {
    asking = false;
  }
}

function paragraph(text, className) {
  const made = document.createElement("p");
  made.textContent = text;
  made.className = className ?? "";
  return made;
}

async function post(address, file) {
  const answer = await fetch(`${address}?name=${encodeURIComponent(file.name)}`, { method: "POST", body: file });
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.error ?? `status ${answer.status}`);
  return found;
}

function shownReport(report) {
  const shown = document.createElement("div");
  shown.append(paragraph(report.summary, report.verdict));
  const list = document.createElement("ul");
  for (const one of report.violations) {
    const place = one.line ? `line ${one.line}${one.column ? `, ${one.column}` : ""}: ` : "";
    const item = document.createElement("li");
    item.textContent = `${place}${one.message} (${one.code})`;
    list.append(item);
  }
  if (report.violations.length) shown.append(list);
  return shown;
}

async function upload(file, result) {
  const new_file = await post("/upload", file);
  const link = document.createElement("a");
  link.href = `/files/${encodeURIComponent(new_file.file)}`;
  link.textContent = new_file.file;
  const line = paragraph("Uploaded: ");
  line.append(link);
  result.append(line);
}

/** Check the file; upload it at once if it is clean, and otherwise let the reader decide. */
async function take(file, result) {
  if (file.size > CHECKED_BYTES) {
    result.replaceChildren(paragraph("This form takes files up to 256 MiB; use any storage client for larger ones.", "problem"));
    return;
  }
  result.replaceChildren(paragraph(`Checking ${file.name} …`));
  try {
    const report = await post("/check", file);
    result.replaceChildren(shownReport(report));
    if (!report.violations.length) {
      await upload(file, result);
      return;
    }
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = report.verdict === "rejected" ? "Upload anyway (it will be rejected)" : "Upload anyway (bad rows are quarantined)";
    button.addEventListener("click", () => {
      button.remove();
      upload(file, result).catch((error) => result.append(paragraph(`Not uploaded: ${error.message}`, "problem")));
    });
    result.append(button);
  } catch (error) {
    result.append(paragraph(`Not uploaded: ${error.message}`, "problem"));
  }
}

function acceptFiles(form) {
  const input = form.querySelector("input[type=file]");
  const result = form.querySelector("[role=status]");
  const one = (files) => { if (files.length) take(files[0], result); };
  input.addEventListener("change", () => { one(input.files); input.value = ""; });
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const name of ["dragover", "dragleave", "drop"]) {
    form.addEventListener(name, (event) => {
      event.preventDefault();
      form.classList.toggle("over", name === "dragover");
      if (name === "drop") one(event.dataTransfer.files);
    });
  }
}

const form = document.getElementById("upload");
if (form) acceptFiles(form);
const live = document.getElementById("live");
if (live) {
  answered = versions(live);
  setInterval(() => { if (!document.hidden) refresh(live); }, REFRESH_MS);
}
})();
