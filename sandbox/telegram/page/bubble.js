/** One message as a row of the chat. */

import { richText } from "./rich_text.js";
import { clockTime, fileSize, say } from "./texts.js";

const ONLY_EMOJI = /^(\p{Extended_Pictographic}\uFE0F?){1,3}$/u;
const SVG = "http://www.w3.org/2000/svg";
const PICTURE_WIDTH = 322;
const PICTURE_HEIGHT = 420;

export function make(tag, className = "", ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

export function icon(name, className = "") {
  const svg = document.createElementNS(SVG, "svg");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  if (className) svg.setAttribute("class", className);
  svg.append(use);
  return svg;
}

/** `acts`: {command, copy, press(message, button), view(photo, text), jump(id), reply(message)}; `botName` for quotes. */
export function messageRow(message, acts, botName) {
  if (message.kind === "pinned") return make("div", "service", `${botName}${say("pinned_service")}`);
  const row = make("div", message.mine ? "row mine" : "row");
  const bubble = make("div", "bubble", icon("tail", "tail"));
  const box = make("div", "box", bubble);
  if (message.forwarded_from) bubble.append(make("div", "forwarded", say("forwarded"), make("b", "", message.forwarded_from)));
  if (message.reply_to) bubble.append(quote(message.reply_to, acts, botName));
  if (message.photo) bubble.append(photo(message, row, acts));
  if (message.document) bubble.append(file(message.document));
  bubble.append(words(message, acts));
  if (message.reaction) bubble.append(make("div", "reaction", message.reaction));
  if (message.buttons.length) box.append(buttons(message, acts));
  row.classList.toggle("wide", message.buttons.length > 0 && message.buttons.some((line) => line.length > 1));
  bubble.addEventListener("dblclick", () => acts.reply(message));
  row.append(box);
  return row;
}

function words(message, acts) {
  const node = make("div", "words", richText(message.text, message.entities, acts), meta(message));
  node.classList.toggle("emoji", !message.photo && ONLY_EMOJI.test(message.text));
  return node;
}

function meta(message) {
  const node = make("span", "meta");
  if (message.silent) node.append(icon("mute", "quiet"));
  node.append(`${message.edited ? `${say("edited")} ` : ""}${clockTime(message.sent_wall_ms)}`);
  if (message.mine) node.append(icon("seen"));
  return node;
}

function quote(target, acts, botName) {
  const node = make("button", "quote", make("b", "", target.mine ? say("you") : botName), make("span", "", target.text || say("photo")));
  node.type = "button";
  node.addEventListener("click", () => acts.jump(target.id));
  return node;
}

function photo(message, row, acts) {
  row.classList.add("picture", "wide");
  row.classList.toggle("bare", !message.text);
  const image = make("img");
  const { width, height, url } = message.photo;
  image.width = PICTURE_WIDTH; // with the height, room is kept before the bytes are here
  image.height = Math.min((height / width) * PICTURE_WIDTH, PICTURE_HEIGHT);
  image.src = url;
  image.alt = message.text || say("photo");
  const node = make("button", "photo", image);
  node.type = "button";
  node.addEventListener("click", () => acts.view(message.photo, message.text));
  return node;
}

function file(document_) {
  const about = make("span", "", make("b", "", document_.name || say("file")), make("small", "", fileSize(document_.bytes)));
  const node = make("a", "file", make("i", "", icon("file")), about);
  node.href = document_.url;
  node.download = document_.name || "file";
  return node;
}

function buttons(message, acts) {
  return make("div", "buttons", ...message.buttons.map((line) => make("div", "", ...line.map((button) => inlineButton(message, button, acts)))));
}

function inlineButton(message, button, acts) {
  const node = make("button", button.style ?? "", button.text);
  node.type = "button";
  if (button.callback_data) node.dataset.data = button.callback_data;
  if (button.url || button.web_app) node.append(icon("link"));
  if (button.copy_text) node.append(icon("copy"));
  node.addEventListener("click", () => acts.press(message, button));
  return node;
}
