/** The phone around the chat: who holds it, its header, what can be typed and tapped, toasts and alerts. */

import { follow, get, post } from "./api.js";
import { make } from "./bubble.js";
import { Chat } from "./chat.js";
import { clockTime, currentLanguage, say, setLanguage } from "./texts.js";

const TOAST_MS = 3200;
const node = Object.fromEntries([...document.querySelectorAll("[id]")].filter((each) => !each.id.startsWith("i-")).map((each) => [each.id, each]));
const asked = new URLSearchParams(location.search);
const state = { bot: null, people: [], person: null, contact: "started", online: true, commands: [], pinned: [], keyboard: null, keysShown: true, replyTo: null, action: "", presses: new Map(), shown: new Set(), follower: null };

const chat = new Chat({ scroll: node.scroll, messages: node.messages, empty: node.empty, toEnd: node.to_end }, {
  command: (text) => sendText(text), copy, press, view, reply,
});

function onView(view, isFirst) {
  if (isFirst) {
    chat.clear();
    state.presses.clear();
    for (const press of view.presses) if (press.state !== "waiting") state.shown.add(press.id);
  }
  chat.change(view.messages, view.deleted, isFirst);
  for (const press of view.presses) onPress(press);
  Object.assign(state, { contact: view.contact, pinned: view.pinned });
  if (JSON.stringify(view.keyboard) !== JSON.stringify(state.keyboard)) Object.assign(state, { keyboard: view.keyboard, keysShown: true });
  setAction(view.action, view.action_for_ms);
  showWaiting();
  showPinned();
  showKeys();
  showContact();
}

function onPress(press) {
  state.presses.set(press.id, press);
  if (press.state === "waiting") setTimeout(() => { if (state.presses.get(press.id)?.state === "waiting") { press.state = "expired"; showWaiting(); } }, press.expires_in_ms);
  if (press.state !== "answered" || state.shown.has(press.id)) return;
  state.shown.add(press.id);
  if (press.text && press.show_alert) showAlert(press.text);
  else if (press.text) showToast(press.text);
}

function showWaiting() {
  chat.showWaiting([...state.presses.values()].filter((press) => press.state === "waiting"));
}

let actionTimer = 0;
function setAction(action, forMs) {
  clearTimeout(actionTimer);
  state.action = action;
  if (action) actionTimer = setTimeout(() => setAction("", 0), forMs);
  showSubtitle();
}

function showSubtitle() {
  node.subtitle.classList.toggle("busy", Boolean(state.online && state.action));
  node.subtitle.textContent = !state.online ? say("connecting") : state.action ? say(state.action) ?? say("busy") : say("bot");
}

function showPinned() {
  const pin = chat.message(state.pinned.at(-1));
  node.pinned.hidden = !pin;
  if (!pin) return;
  const [title, text] = node.pinned.querySelectorAll("b, span span");
  title.textContent = say("pinned");
  text.textContent = (pin.text || say(pin.kind === "photo" ? "photo" : "file")).replaceAll("\n", " ");
}

function showPeople() {
  node.people.replaceChildren(...state.people.map((person, at) => {
    const about = make("span", "", person.first_name, make("small", "", say(person.contact)));
    const row = make("button", person.id === state.person.id ? "person on" : "person", make("span", `avatar hue${at % 4}`, person.first_name.slice(0, 1)), about);
    row.type = "button";
    row.addEventListener("click", () => { node.sheet.hidden = true; hold(person); });
    return row;
  }));
  const mark = (box, value) => { for (const button of box.children) button.classList.toggle("on", button.dataset.value === value); };
  mark(node.languages, currentLanguage());
  mark(node.themes, document.documentElement.dataset.theme);
}

async function hold(person) {
  state.follower?.abort();
  state.follower = new AbortController();
  Object.assign(state, { person, keyboard: null, replyTo: null, commands: [], presses: new Map(), shown: new Set() });
  chat.clear();
  showReplying();
  if (!localStorage.premiaLanguage) speak(asked.get("lang") ?? person.language_code);
  if (asked.has("still")) onView(await get(`users/${person.id}/chat`), true); // for pictures: a page that waits is never «loaded»
  else follow(person.id, state.follower.signal, onView, (online) => { state.online = online; showSubtitle(); });
  await readCommands();
}

async function readCommands() {
  state.commands = await get(`users/${state.person.id}/commands`);
  node.menu.hidden = state.commands.length === 0;
}

function speak(language) {
  setLanguage(language);
  for (const each of document.querySelectorAll("[data-text]")) each.textContent = say(each.dataset.text);
  node.alert_ok.textContent = say("ok");
  chat.redraw();
  showWaiting();
  showSubtitle();
  showPinned();
  showKeys();
  showContact();
}

function dress(theme) {
  document.documentElement.dataset.theme = theme;
}

async function act(path, body) {
  try {
    return await post(`users/${state.person.id}/${path}`, body);
  } catch (error) {
    showToast(`${say("failed")}: ${error.message}`);
    return null;
  }
}

async function sendText(text) {
  const body = { text, ...(state.replyTo ? { reply_to: state.replyTo.id } : {}) };
  reply(null);
  await act("text", body);
}

async function press(message, button) {
  if (button.callback_data) await act("press", { message_id: message.id, data: button.callback_data });
  else if (button.copy_text) copy(button.copy_text.text);
  else {
    const url = button.url ?? button.web_app?.url ?? "";
    if (/^https?:/i.test(url)) window.open(url, "_blank", "noopener,noreferrer");
  }
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    showToast(say("copied"));
  } catch (error) {
    showToast(text); // the clipboard is closed to plain-http pages: at least it can be read and marked
  }
}

function reply(message) {
  state.replyTo = message;
  showReplying();
}

function showReplying() {
  node.replying.hidden = !state.replyTo;
  if (!state.replyTo) return;
  const [title, text] = node.replying.querySelectorAll("b, span span");
  title.textContent = `${say("reply")} ${state.replyTo.mine ? say("you") : state.bot.first_name}`;
  text.textContent = state.replyTo.text || say("photo");
  node.text.focus();
}

function showContact() {
  const canWrite = state.contact === "started";
  node.compose.hidden = !canWrite;
  node.start.hidden = canWrite;
  node.start.textContent = say(state.contact === "blocked" ? "restart" : "start");
  node.text.placeholder = state.keyboard?.input_field_placeholder || say("placeholder");
}

function showKeys() {
  const rows = state.keyboard?.keyboard ?? [];
  node.keys_toggle.hidden = rows.length === 0;
  node.keys.hidden = rows.length === 0 || !state.keysShown || state.contact !== "started";
  node.keys.replaceChildren(...rows.map((row) => make("div", "", ...row.map((button) => {
    const key = make("button", button.style ?? "", button.text);
    key.type = "button";
    key.addEventListener("click", () => {
      if (state.keyboard.one_time_keyboard) state.keysShown = false;
      showKeys();
      sendText(button.text);
    });
    return key;
  }))));
}

function showCommands(filter) {
  const fitting = filter === null ? [] : state.commands.filter((each) => `/${each.command}`.startsWith(filter));
  node.commands.hidden = fitting.length === 0;
  node.commands.replaceChildren(...fitting.map((each) => {
    const row = make("button", "", make("b", "", `/${each.command}`), make("span", "", each.description));
    row.type = "button";
    row.addEventListener("click", () => { node.text.value = ""; onTyped(); sendText(`/${each.command}`); });
    return row;
  }));
}

function onTyped() {
  const text = node.text.value;
  node.send.disabled = text.trim() === "";
  node.text.style.height = "0";
  node.text.style.height = `${Math.min(node.text.scrollHeight, 112)}px`;
  showCommands(/^\/\w*$/.test(text) ? text : null);
}

let toastTimer = 0;
function showToast(text) {
  clearTimeout(toastTimer);
  node.toast.hidden = false;
  node.toast.textContent = text;
  toastTimer = setTimeout(() => { node.toast.hidden = true; }, TOAST_MS);
}

function showAlert(text) {
  node.alert.hidden = false;
  node.alert_title.textContent = state.bot.first_name;
  node.alert_text.textContent = text;
  node.alert_ok.focus();
}

function view(photo, text) {
  const [image, caption] = node.viewer.children;
  image.src = photo.url;
  caption.textContent = text;
  node.viewer.hidden = false;
}

function listen() {
  const on = (target, name, handle) => target.addEventListener(name, handle);
  on(node.compose, "submit", (event) => {
    event.preventDefault();
    const text = node.text.value.trim();
    if (!text) return;
    node.text.value = "";
    onTyped();
    sendText(text);
  });
  on(node.text, "input", onTyped);
  on(node.text, "keydown", (event) => {
    // While a Korean syllable is being composed, Enter belongs to it.
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); node.compose.requestSubmit(); }
  });
  on(node.menu, "click", async () => { if (!node.commands.hidden) return showCommands(null); await readCommands(); showCommands("/"); });
  on(node.keys_toggle, "click", () => { state.keysShown = !state.keysShown; showKeys(); });
  on(node.start, "click", () => act("start"));
  on(node.pinned, "click", () => chat.jump(state.pinned.at(-1)));
  on(node.replying.querySelector("button"), "click", () => reply(null));
  on(node.alert_ok, "click", () => { node.alert.hidden = true; });
  on(node.viewer, "click", () => { node.viewer.hidden = true; });
  on(node.more, "click", async () => { if (node.sheet.hidden) { state.people = await get("users"); showPeople(); } node.sheet.hidden = !node.sheet.hidden; });
  on(node.scroll, "click", () => { node.sheet.hidden = true; });
  on(node.languages, "click", (event) => { const value = event.target.dataset.value; if (value) { localStorage.premiaLanguage = value; speak(value); showPeople(); } });
  on(node.themes, "click", (event) => { const value = event.target.dataset.value; if (value) { localStorage.premiaTheme = value; dress(value); showPeople(); } });
  on(document, "keydown", (event) => { if (event.key === "Escape") for (const each of [node.viewer, node.alert, node.sheet, node.commands]) each.hidden = true; });
}

async function start() {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  dress(asked.get("theme") ?? localStorage.premiaTheme ?? (dark ? "dark" : "light"));
  setLanguage(asked.get("lang") ?? localStorage.premiaLanguage ?? "ko");
  const tick = () => { node.clock.textContent = clockTime(Date.now()); };
  tick();
  setInterval(tick, 5000);
  listen();
  [state.bot, state.people] = await Promise.all([get("bot"), get("users")]);
  chat.botName = state.bot.first_name;
  node.name.textContent = state.bot.first_name;
  document.title = state.bot.first_name;
  const wanted = Number(asked.get("user"));
  speak(currentLanguage());
  const person = state.people.find((each) => each.id === wanted) ?? state.people.find((each) => each.contact === "started") ?? state.people[0];
  if (person) await hold(person);
}

start();
