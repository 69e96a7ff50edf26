/** The list of all commands with a thumbnail each; choosing one goes there. */

import type { HistoryList } from "../messages/objects";
import { element } from "../panel";
import { type Reply, toBytes } from "../protocol";
import type { State } from "../store/state";
import type { Host, Part } from "./part";

/** Milliseconds without a change before the list is asked for again. */
const REST = 120;

export function history(host: Host): Part {
  const list = element("ol", { class: "iseg-history", "data-testid": "iseg-history-list" });
  let asked: string | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let picture: string | null = null;

  const isOpen = (): boolean => host.panel.side.open === "history";
  const ask = (): void => {
    asked = host.send({ kind: "history" });
  };
  const forget = (): void => {
    if (picture !== null) URL.revokeObjectURL(picture);
    picture = null;
  };

  function entry(place: number): HTMLElement {
    const node = element(
      "button",
      { type: "button", class: "iseg-history-entry", "data-testid": "iseg-history-entry" },
      element("span", { class: "iseg-thumbnail", "aria-hidden": "true" }),
      element("span", {}),
    );
    node.addEventListener("click", () => host.send({ kind: "jump", done: place }));
    return node;
  }

  function fill(node: HTMLElement, place: number, name: string, reply: HistoryList): void {
    const [width, height] = reply.cell;
    const [small, label] = node.children as unknown as [HTMLElement, HTMLElement];
    small.style.width = `${width}px`;
    small.style.height = `${height}px`;
    small.style.backgroundImage = `url("${picture}")`;
    small.style.backgroundPosition = `0 ${-place * height}px`;
    label.textContent = place === 0 ? "beginning" : `${place}. ${name}`;
    if (place === reply.done) node.setAttribute("aria-current", "step");
    else node.removeAttribute("aria-current");
    node.dataset.undone = String(place > reply.done);
  }

  function show(reply: HistoryList, buffer: unknown): void {
    forget();
    picture = URL.createObjectURL(new Blob([toBytes(buffer)], { type: "image/png" }));
    const focused = list.contains(document.activeElement);
    const names = ["", ...reply.names];
    // Entries stay in the page: one replaced between press and release would lose its click.
    while (list.children.length > names.length) list.lastElementChild?.remove();
    while (list.children.length < names.length)
      list.append(element("li", {}, entry(list.children.length)));
    const entries = [...list.querySelectorAll<HTMLElement>("button")];
    for (const [place, node] of entries.entries()) fill(node, place, names[place] ?? "", reply);
    const present = entries[reply.done];
    present?.scrollIntoView?.({ block: "nearest" });
    if (focused) present?.focus({ preventScroll: true });
  }

  list.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    const entries = [...list.querySelectorAll<HTMLElement>("button")];
    entries[entries.indexOf(document.activeElement as HTMLElement) + step]?.focus();
    event.preventDefault();
    event.stopPropagation();
  });

  host.panel.side.addTab({
    id: "history",
    title: "History",
    icon: "history",
    element: list,
    shown: (open) => {
      if (open) ask();
      else forget();
    },
  });

  return {
    commands: [
      {
        id: "history",
        keys: ["h"],
        label: "list of all commands",
        run: () => host.panel.side.toggle("history"),
      },
    ],
    update: (state: State, before: State) => {
      if (state.rev === before.rev || !isOpen()) return;
      clearTimeout(timer);
      timer = setTimeout(ask, REST);
    },
    reply: (reply: Reply, buffers) => {
      if (reply.kind !== "history" || reply.id !== asked) return;
      if (isOpen()) show(reply, buffers[0]);
    },
    close: () => {
      clearTimeout(timer);
      forget();
    },
  };
}
