/** The scrolling list of messages: kept in order, changed in place, at its end unless the reader has left it. */

import { make, messageRow } from "./bubble.js";
import { dayName, say } from "./texts.js";

const NEAR_END_PX = 90;
const MOST_ROWS = 400;

export class Chat {
  constructor(nodes, acts) {
    this.nodes = nodes; // {scroll, messages, empty, toEnd}
    this.acts = { ...acts, jump: (id) => this.jump(id) };
    this.botName = "";
    this.clear();
    nodes.toEnd.addEventListener("click", () => this.toEnd("smooth"));
    nodes.scroll.addEventListener("scroll", () => this.scrolled(), { passive: true });
    nodes.messages.addEventListener("load", () => this.keepEnd(), true); // a picture that came late
    new ResizeObserver(() => this.keepEnd()).observe(nodes.scroll);
  }

  clear() {
    this.known = new Map(); // id → {message, row}
    this.unread = 0;
    this.atEnd = true;
    this.nodes.messages.replaceChildren();
  }

  message(id) {
    return this.known.get(id)?.message;
  }

  /** Everything again, in another language. */
  redraw() {
    const messages = [...this.known.values()].map((entry) => entry.message);
    this.clear();
    this.change(messages, [], true);
  }

  change(messages, deleted, isFirst) {
    const wasAtEnd = this.atEnd || isFirst;
    for (const id of deleted) {
      this.known.get(id)?.row.remove();
      this.known.delete(id);
    }
    for (const message of [...messages].sort((a, b) => a.id - b.id)) this.put(message, isFirst, wasAtEnd);
    this.arrange();
    this.nodes.empty.hidden = this.known.size > 0;
    this.nodes.empty.textContent = say("empty");
    if (wasAtEnd || messages.some((message) => message.mine && !isFirst)) this.toEnd("instant");
    this.showToEnd();
  }

  put(message, isFirst, wasAtEnd) {
    const row = messageRow(message, this.acts, this.botName);
    row.dataset.id = message.id;
    const old = this.known.get(message.id);
    this.known.set(message.id, { message, row });
    if (old) {
      old.row.replaceWith(row);
      return;
    }
    const following = [...this.nodes.messages.children].find((child) => Number(child.dataset.id) > message.id);
    this.nodes.messages.insertBefore(row, following ?? null);
    if (!isFirst) row.classList.add("new");
    if (!isFirst && !wasAtEnd && !message.mine) this.unread += 1;
  }

  /** Days, tails and gaps: they depend on the neighbours. */
  arrange() {
    for (const day of this.nodes.messages.querySelectorAll(".day")) day.remove();
    while (this.known.size > MOST_ROWS) {
      const [id, entry] = this.known.entries().next().value;
      entry.row.remove();
      this.known.delete(id);
    }
    const entries = [...this.known.values()].sort((a, b) => a.message.id - b.message.id);
    let day = "";
    entries.forEach(({ message, row }, at) => {
      const today = dayName(message.sent_wall_ms);
      if (today !== day) this.nodes.messages.insertBefore(make("div", "day", today), row);
      const near = (other) => other && other.message.mine === message.mine && other.message.kind !== "pinned";
      row.classList.toggle("first", today !== day || !near(entries[at - 1]));
      row.classList.toggle("last", !near(entries[at + 1]) || message.buttons.length > 0);
      day = today;
    });
  }

  /** Buttons whose press is still unanswered turn; `presses` is {message_id, data}[]. */
  showWaiting(presses) {
    const waiting = new Set(presses.map((press) => `${press.message_id} ${press.data}`));
    for (const [id, { row }] of this.known) {
      for (const button of row.querySelectorAll("[data-data]")) button.classList.toggle("waiting", waiting.has(`${id} ${button.dataset.data}`));
    }
  }

  jump(id) {
    const row = this.known.get(id)?.row;
    if (!row) return;
    row.scrollIntoView({ block: "center", behavior: "smooth" });
    row.classList.remove("flash");
    requestAnimationFrame(() => row.classList.add("flash"));
  }

  toEnd(behavior) {
    this.atEnd = true;
    this.nodes.scroll.scrollTo({ top: this.nodes.scroll.scrollHeight, behavior });
  }

  keepEnd() {
    if (this.atEnd) this.toEnd("instant");
  }

  /** Only the reader leaves the end: a scroll that comes with new heights is the layout's own. */
  scrolled() {
    const { scrollHeight, clientHeight } = this.nodes.scroll;
    const heights = `${scrollHeight} ${clientHeight}`;
    if (heights !== this.heights) this.keepEnd();
    this.heights = heights;
    this.showToEnd();
  }

  showToEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.nodes.scroll;
    this.atEnd = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
    if (this.atEnd) this.unread = 0;
    this.nodes.toEnd.hidden = this.atEnd;
    const badge = this.nodes.toEnd.firstElementChild;
    badge.hidden = this.unread === 0;
    badge.textContent = String(this.unread);
  }
}
