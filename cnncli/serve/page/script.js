const $ = (id) => document.getElementById(id);
let token = takeToken();
let model = null;

// A token in the address is used once, and does not stay in the history.
function takeToken() {
  const sent = new URLSearchParams(location.hash.slice(1)).get("token");
  if (sent) {
    sessionStorage.setItem("token", sent);
    history.replaceState(null, "", location.pathname);
  }
  return sent ?? sessionStorage.getItem("token");
}

async function ask(path, options = {}) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  let answer;
  try {
    answer = await fetch(path, { ...options, headers });
  } catch {
    throw new Error("The service does not answer.");
  }
  if (answer.ok) return answer;
  if (answer.status === 401) {
    askForToken();
    throw new Error("This is not the token of the service.");
  }
  const said = await answer.json().catch(() => ({}));
  throw new Error(said.error ?? `The service answered with status ${answer.status}.`);
}

function askForToken() {
  $("access").hidden = false;
  $("choose").hidden = true;
  $("token").focus();
}

async function start() {
  $("problem").textContent = "";
  try {
    [model] = (await (await ask("models")).json()).models;
  } catch (problem) {
    if ($("access").hidden || token) $("problem").textContent = problem.message;
    return;
  }
  document.title = `${model.name} – cnncli`;
  $("model").textContent = `${model.name} has ${model.classes.length.toLocaleString("en")} classes.`;
  $("access").hidden = true;
  $("choose").hidden = false;
  $("camera").hidden = !navigator.mediaDevices?.getUserMedia;
}

$("access").addEventListener("submit", (event) => {
  event.preventDefault();
  token = $("token").value.trim();
  sessionStorage.setItem("token", token);
  start();
});

function showStatus(text) {
  $("status").className = "";
  $("status").textContent = text;
}

// For screen readers; everybody else sees it elsewhere.
function say(text) {
  showStatus(text);
  $("status").className = "spoken";
}

// ---- photos

async function classify(files) {
  const images = [...files].filter((file) => file instanceof File);
  if (!images.length || !model) return;
  $("problem").textContent = "";
  showStatus(`Classifying ${images.length === 1 ? images[0].name : `${images.length} photos`} …`);
  const form = new FormData();
  for (const image of images) form.append("image", image, image.name);
  try {
    const records = await (await ask("predict", { method: "POST", body: form })).json();
    $("results").prepend(...records.map((record, place) => result(record, images[place])));
    say(records.map(sentence).join(" "));
  } catch (problem) {
    showStatus("");
    $("problem").textContent = problem.message;
  }
}

const answers = (record) => (record.tasks ? Object.entries(record.tasks) : [["", record.predictions]]);
const share = (score) => `${(100 * score.probability).toFixed(1)} %`;

function sentence(record) {
  if (record.status !== "ok") return `${record.path} cannot be read: ${record.reason}.`;
  const best = answers(record).map(([, scores]) => (scores.length ? `${scores[0].label}, ${share(scores[0])}` : "none"));
  return `${record.path}: ${best.join("; ")}.`;
}

function element(name, text = "", properties = {}) {
  return Object.assign(document.createElement(name), { textContent: text }, properties);
}

function result(record, file) {
  const article = element("article");
  const figure = element("figure");
  const picture = element("img", "", { alt: record.path, src: URL.createObjectURL(file) });
  const caption = element("figcaption");
  picture.addEventListener("error", () => picture.replaceWith(element("p", "No preview.")));
  figure.append(picture, caption);
  const text = element("div");
  text.append(element("h2", record.path));
  article.append(figure, text);
  if (record.status !== "ok") {
    text.append(element("p", `Cannot be read: ${record.reason}.`, { className: "unreadable" }));
    return article;
  }
  if (record.reason) text.append(element("p", `${record.reason}.`));
  const shown = { file, picture, caption, photo: picture.src, pressed: null };
  for (const [task, scores] of answers(record)) {
    if (task) text.append(element("h3", task));
    text.append(scores.length ? list(task, scores, shown) : element("p", "None of the classes."));
  }
  return article;
}

function list(task, scores, shown) {
  const rows = element("ol", "", { className: model.cam ? "maps" : "" });
  for (const score of scores) {
    const row = element("li");
    const bar = element("span", "", { className: "bar", ariaHidden: "true" });
    const filled = element("i");
    filled.style.width = share(score).replace(" ", "");
    bar.append(filled);
    row.append(element("b", score.label), element("span", share(score), { className: "share" }));
    if (model.cam) row.append(mapButton(task, score, shown));
    row.append(bar);
    rows.append(row);
  }
  return rows;
}

// ---- class activation maps

function mapButton(task, score, shown) {
  const button = element("button", "Show where", { type: "button", ariaPressed: "false" });
  button.setAttribute("aria-label", `Show where: Grad-CAM for ${score.label}`);
  button.disabled = score.index === null;
  button.addEventListener("click", () => toggleMap(button, task, score, shown));
  return button;
}

async function toggleMap(button, task, score, shown) {
  const wasPressed = shown.pressed === button;
  shown.pressed?.setAttribute("aria-pressed", "false");
  shown.pressed = null;
  shown.picture.src = shown.photo;
  shown.picture.alt = shown.file.name;
  shown.caption.textContent = "";
  if (wasPressed) return;
  shown.pressed = button;
  button.setAttribute("aria-pressed", "true");
  $("problem").textContent = "";
  showStatus(`Computing Grad-CAM for ${score.label} …`);
  const form = new FormData();
  form.append("image", shown.file, shown.file.name);
  try {
    const query = new URLSearchParams({ index: score.index, ...(task && { task }) });
    const answer = await ask(`cam?${query}`, { method: "POST", body: form });
    const map = URL.createObjectURL(await answer.blob());
    if (shown.pressed !== button) return;
    shown.picture.src = map;
    shown.picture.alt = `${shown.file.name} with Grad-CAM for ${score.label}`;
    shown.caption.textContent = `Grad-CAM for ${score.label}: bright regions support this class.`;
    say(shown.caption.textContent);
  } catch (problem) {
    button.setAttribute("aria-pressed", "false");
    if (shown.pressed === button) shown.pressed = null;
    showStatus("");
    $("problem").textContent = problem.message;
  }
}

// ---- choosing, dropping, pasting, the camera

$("files").addEventListener("change", () => {
  classify($("files").files);
  $("files").value = "";
});
addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dragging");
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("dragging");
});
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dragging");
  classify(event.dataTransfer.files);
});
addEventListener("paste", (event) => classify(event.clipboardData.files));

const video = document.querySelector("video");
$("camera").addEventListener("click", async () => {
  $("problem").textContent = "";
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    $("finder").showModal();
  } catch (problem) {
    $("problem").textContent = `The camera cannot be used: ${problem.message}.`;
  }
});
$("shoot").addEventListener("click", () => {
  const canvas = element("canvas", "", { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext("2d").drawImage(video, 0, 0);
  canvas.toBlob((photo) => photo && classify([new File([photo], "camera.jpg", { type: photo.type })]), "image/jpeg", 0.95);
  $("finder").close();
});
$("cancel").addEventListener("click", () => $("finder").close());
$("finder").addEventListener("close", () => {
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  video.srcObject = null;
});

start();
