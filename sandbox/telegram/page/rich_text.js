/** A message's text and entities as DOM nodes. Text only ever becomes text nodes: nothing in it can become markup. */

const TAGS = { bold: "b", italic: "i", underline: "u", strikethrough: "s", code: "code", pre: "pre", blockquote: "blockquote", expandable_blockquote: "blockquote" };
const LINKS = new Set(["url", "text_link", "email", "mention", "hashtag", "cashtag", "bot_command", "text_mention"]);
const SAFE = /^(https?:|mailto:)/i;
const BLOCKS = new Set(["PRE", "BLOCKQUOTE"]);

/** `acts`: {command(text), copy(text)} for what can be tapped. Offsets are UTF-16, as JavaScript's own strings are. */
export function richText(text, entities, acts) {
  const ordered = [...entities].sort((a, b) => a.offset - b.offset || b.length - a.length);
  const parent = document.createDocumentFragment();
  fill(parent, text, ordered, 0, text.length, acts);
  return parent;
}

/** Puts text[start, end) into `parent`. An entity that leaves its parent is cut in two. */
function fill(parent, text, entities, start, end, acts) {
  let at = start;
  let queue = entities;
  while (queue.length) {
    const [entity, ...rest] = queue;
    const from = Math.max(entity.offset, at);
    const to = Math.min(entity.offset + entity.length, end);
    const inner = [];
    queue = [];
    for (const other of rest) {
      if (other.offset >= to) queue.push(other);
      else {
        inner.push(other);
        const left = other.offset + other.length - to;
        if (left > 0) queue.push({ ...other, offset: to, length: left });
      }
    }
    queue.sort((a, b) => a.offset - b.offset || b.length - a.length);
    if (from >= to) continue;
    append(parent, text.slice(at, from));
    const node = element(entity, text.slice(from, to), acts);
    fill(node, text, inner, from, to, acts);
    parent.append(node);
    at = to;
  }
  append(parent, text.slice(at, end));
}

function append(parent, text) {
  // A block brings its own line end.
  const clean = BLOCKS.has(parent.lastChild?.nodeName) ? text.replace(/^\n/, "") : text;
  if (clean) parent.append(document.createTextNode(clean));
}

function element(entity, text, acts) {
  if (LINKS.has(entity.type)) return link(entity, text, acts);
  const node = document.createElement(TAGS[entity.type] ?? "span");
  if (entity.type === "spoiler") {
    node.className = "spoiler";
    node.addEventListener("click", () => node.classList.add("shown"));
  } else if (entity.type === "expandable_blockquote") {
    node.className = "folded";
    node.addEventListener("click", () => node.classList.toggle("folded"));
  } else if (entity.type === "code" || entity.type === "pre") {
    if (entity.language) node.dataset.language = entity.language;
    node.addEventListener("click", () => acts.copy(text));
  }
  return node;
}

function link(entity, text, acts) {
  const node = document.createElement("a");
  if (entity.type === "bot_command") {
    node.addEventListener("click", () => acts.command(text));
    return node;
  }
  const target = { text_link: entity.url, url: text, email: `mailto:${text}` }[entity.type];
  if (target && SAFE.test(target)) {
    node.href = target;
    node.target = "_blank";
    node.rel = "noopener noreferrer";
  }
  return node;
}
