"use strict";

const REFRESH_MS = 2000;
const CHECKED_BYTES = 256 * 1024 * 1024;

/** Show times in the reader's time zone. The attribute keeps the time in UTC. */
function localTimes(root) {
  for (const one of root.querySelectorAll("time[datetime]")) {
    const at = new Date(one.dateTime);
    const today = at.toDateString() === new Date().toDateString();
    one.textContent = today ? at.toLocaleTimeString() : at.toLocaleString();
    one.title = one.dateTime;
  }
}

/** Replace the live part if it has changed, and keep what the reader has opened. */
async function refresh(live) {
  try {
    const answer = await fetch(live.dataset.from);
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const html = await answer.text();
    if (html !== live.shown) {
      const open = [...live.querySelectorAll("details")].map((one) => one.open);
      live.innerHTML = html; // the server's own template, with every value escaped
      live.querySelectorAll("details").forEach((one, at) => { one.open = open[at] ?? false; });
      localTimes(live);
      live.shown = html;
    }
    live.classList.remove("stale");
  } catch {
    live.classList.add("stale"); // the stack has stopped, or is busy: show it, and go on asking
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

localTimes(document);
const form = document.getElementById("upload");
if (form) acceptFiles(form);
const live = document.getElementById("live");
if (live) setInterval(() => { if (!document.hidden) refresh(live); }, REFRESH_MS);
