/** Everything around the canvas: tool bar, status line, messages, list of keys. */

import { type Icon, icon } from "./icons";
import type { Shortcut } from "./keyboard";
import type { Tool } from "./parts/part";
import {
  HelpPanel,
  LOST,
  listErrors,
  makeBanner,
  makeErrors,
  makeOpacity,
  milliseconds,
  showOpacity,
  WORKING,
} from "./pieces";
import { type Side, SidePanel, type Tab } from "./side";
import { type State, summary } from "./store/state";
import { ToolBar } from "./toolbar";

export interface PanelActions {
  /** Run a command by its id. */
  command(id: string): void;
  tool(id: string): void;
  opacity(value: number): void;
  method(name: string): void;
  dismiss(key: number): void;
}

const FOCUSABLE: ReadonlySet<string> = new Set([
  "button",
  "canvas",
  "input",
  "select",
  "summary",
  "textarea",
]);

export type Props = Record<string, string>;

/** Make an element; children given as text stay text. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  // JupyterLab's own keys (`d d` deletes the cell) stay quiet while one of these has the focus; it
  // looks at the focused element before its parents, so the attribute has to be on each of them.
  if (FOCUSABLE.has(tag)) node.setAttribute("data-lm-suppress-shortcuts", "true");
  for (const [name, value] of Object.entries(props)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** Make a button with an icon or a text of one or a few letters; `id` for tests. */
export function button(
  id: string,
  label: string,
  content: Icon | SVGElement | { text: string },
  action: () => void,
): HTMLButtonElement {
  const drawn =
    typeof content === "string" ? icon(content) : "text" in content ? content.text : content;
  const node = element(
    "button",
    { type: "button", class: "iseg-button", "data-testid": `iseg-${id}`, title: label },
    drawn,
  );
  node.setAttribute("aria-label", label);
  node.addEventListener("click", action);
  return node;
}

/** Change a text only when it differs: screen readers announce every change. */
export function setText(node: HTMLElement, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

export function group(label: string, ...children: (Node | string)[]): HTMLElement {
  return element("div", { class: "iseg-group", role: "group", "aria-label": label }, ...children);
}

let panels = 0;

export class Panel {
  readonly root: HTMLElement;
  readonly stage: HTMLElement;
  readonly canvas: HTMLCanvasElement;

  readonly #actions: PanelActions;
  /** Parts put their own things between canvas and status line here. */
  readonly below = element("div", { class: "iseg-below" });
  readonly side: Side;
  readonly #toolbar: HTMLElement;
  readonly #bar: ToolBar;
  readonly #spacer = element("span", { class: "iseg-spacer" });
  readonly #tools = new Map<string, HTMLButtonElement>();
  readonly #toolGroup = group("What a click does");
  readonly #switches = group("Panels");
  readonly #undo: HTMLButtonElement;
  readonly #redo: HTMLButtonElement;
  readonly #reset: HTMLButtonElement;
  readonly #mask: HTMLButtonElement;
  readonly #views: HTMLButtonElement;
  readonly #opacity: HTMLInputElement;
  readonly #method: HTMLSelectElement;
  readonly #help: HelpPanel;
  readonly #errors = makeErrors();
  readonly #banner = makeBanner();
  readonly #cancel: HTMLButtonElement;
  readonly #facts = element("span", { "data-testid": "iseg-facts" });
  readonly #place = element("span", { class: "iseg-place", "data-testid": "iseg-place" });
  readonly #timing = element("span", { class: "iseg-timing", "data-testid": "iseg-timing" });
  readonly #live = element("div", { class: "iseg-spoken", role: "status", "aria-live": "polite" });
  readonly #spoken = element("div", {
    class: "iseg-spoken",
    role: "status",
    "aria-live": "polite",
    "data-testid": "iseg-spoken",
  });
  #shown: State | null = null;

  constructor(actions: PanelActions) {
    panels += 1;
    this.#actions = actions;
    const run = (command: string) => () => actions.command(command);
    this.#undo = button("undo", "Undo (U)", "undo", run("undo"));
    this.#redo = button("redo", "Redo (Y)", "redo", run("redo"));
    this.#reset = button("reset", "Remove all clicks of the object", "reset", run("reset"));
    this.#mask = button("mask-toggle", "Show the mask (M)", "mask", run("mask"));
    this.#views = button("views-toggle", "Show the crops looked at (V)", "views", run("views"));
    this.#opacity = makeOpacity((value) => actions.opacity(value));
    this.#method = this.#makeMethod();
    this.#cancel = element(
      "button",
      { type: "button", class: "iseg-link", "data-testid": "iseg-cancel", hidden: "" },
      "Cancel",
    );
    this.#cancel.addEventListener("click", run("cancel"));
    this.#help = new HelpPanel(run("help"));
    this.canvas = element("canvas", {
      class: "iseg-canvas",
      tabindex: "0",
      role: "application",
      "data-testid": "iseg-canvas",
      "data-jp-suppress-context-menu": "true",
      "aria-roledescription": "picture to segment",
      "aria-describedby": `iseg-hint-${panels}`,
    });
    const hint = "Arrow keys move a crosshair, Enter clicks. Press question mark for all keys.";
    this.stage = element(
      "div",
      { class: "iseg-stage" },
      this.canvas,
      element("div", { class: "iseg-progress", "aria-hidden": "true" }),
      element(
        "div",
        { class: "iseg-waiting", "data-testid": "iseg-waiting" },
        "Loading the picture…",
      ),
      element("div", { class: "iseg-notes" }, this.#banner, this.#errors),
      this.#help.root,
    );
    this.side = new SidePanel((tab) => this.#addSwitch(tab));
    this.#toolbar = this.#makeToolbar();
    this.#bar = new ToolBar(this.#toolbar, this.#toolGroup, {
      opacity: [
        { label: "Masks stronger (])", run: run("stronger") },
        { label: "Masks fainter ([)", run: run("fainter") },
      ],
    });
    this.root = element(
      "div",
      {
        class: "iseg-widget",
        role: "group",
        "aria-label": "Interactive segmentation",
      },
      this.#toolbar,
      this.#bar.menu,
      element("div", { class: "iseg-body" }, this.stage, this.side.root),
      this.below,
      element(
        "div",
        { class: "iseg-status", "data-testid": "iseg-status" },
        this.#facts,
        this.#cancel,
        this.#place,
        this.#timing,
      ),
      this.#live,
      this.#spoken,
      element("div", { class: "iseg-spoken", id: `iseg-hint-${panels}` }, hint),
    );
  }

  /** Add a group of controls to the tool bar. */
  addGroup(label: string, ...children: (Node | string)[]): HTMLElement {
    const made = group(label, ...children);
    this.#toolbar.insertBefore(made, this.#spacer);
    return made;
  }

  /** Add a tool's button. */
  addTool(tool: Tool): void {
    const node = button(tool.id, tool.title, tool.icon, () => this.#actions.tool(tool.id));
    if (tool.name !== "") node.append(element("span", {}, tool.name));
    this.#tools.set(tool.id, node);
    this.#toolGroup.append(node);
  }

  /** Fill the list of keys. */
  listKeys(shortcuts: readonly Shortcut[]): void {
    this.#help.list(shortcuts);
  }

  #addSwitch(tab: Tab): HTMLButtonElement {
    const node = button(`${tab.id}-toggle`, tab.title, tab.icon, () => this.side.toggle(tab.id));
    node.setAttribute("aria-expanded", "false");
    this.#switches.append(node);
    this.#switches.hidden = false;
    return node;
  }

  #makeToolbar(): HTMLElement {
    const run = (command: string) => () => this.#actions.command(command);
    return element(
      "div",
      { class: "iseg-toolbar", role: "toolbar", "aria-label": "Tools" },
      this.#toolGroup,
      group("History", this.#undo, this.#redo, this.#reset),
      group(
        "View",
        button("fit", "Fit the picture (F)", "fit", run("fit")),
        button("actual", "One to one (1)", { text: "1:1" }, run("actual")),
      ),
      group("Mask", this.#mask, this.#opacity, this.#views),
      this.#spacer,
      this.#switches,
      element("label", { class: "iseg-field" }, element("span", {}, "Method"), this.#method),
      button("help", "Keys (?)", { text: "?" }, run("help")),
    );
  }

  #makeMethod(): HTMLSelectElement {
    const node = element("select", {
      class: "iseg-select",
      "data-testid": "iseg-method",
      title: "Method: changing it replays the clicks",
      "aria-label": "Method",
    });
    node.addEventListener("change", () => this.#actions.method(node.value));
    return node;
  }

  /** Bring the page in line with the state; touches only what changed. */
  update(state: State): void {
    const before = this.#shown;
    this.#shown = state;
    this.root.dataset.state = summary(state);
    this.root.dataset.inferences = String(state.inferences);
    this.root.dataset.imageWidth = String(state.image.width);
    this.root.dataset.imageHeight = String(state.image.height);
    for (const [id, node] of this.#tools) this.#pressed(node, state.tool === id);
    this.#bar.choose(state.tool);
    this.#pressed(this.#mask, state.showMask);
    this.#pressed(this.#views, state.showViews);
    const queued = state.pending.length > 0;
    this.#undo.disabled = state.history.done === 0 && !queued;
    this.#redo.disabled = state.history.undone === 0;
    const named = (what: string, name: string | null) => (name === null ? what : `${what} ${name}`);
    this.#undo.title = `${named("Undo", state.history.undo)} (U)`;
    this.#redo.title = `${named("Redo", state.history.redo)} (Y)`;
    this.#reset.disabled = state.clicks.length === 0 && !queued;
    showOpacity(this.#opacity, state.opacity);
    this.#banner.hidden = state.connection !== "lost";
    this.#cancel.hidden = summary(state) !== "busy";
    if (before?.methods !== state.methods || before.method !== state.method) this.#options(state);
    if (before?.errors !== state.errors) {
      listErrors(this.#errors, state.errors, (key) => this.#actions.dismiss(key));
    }
    if (before?.help !== state.help) this.#help.show(state.help, this.canvas);
    this.#status(state);
  }

  /** The list shows what the kernel says, also after a method could not be loaded. */
  resetMethod(state: State): void {
    this.#method.value = state.method;
  }

  #pressed(node: HTMLButtonElement, on: boolean): void {
    node.setAttribute("aria-pressed", String(on));
  }

  #options(state: State): void {
    const known = state.methods.some(([name]) => name === state.method);
    const own: State["methods"] = known ? [] : [[state.method, state.method]];
    this.#method.replaceChildren(
      ...[...own, ...state.methods].map(([name, title]) =>
        element("option", { value: name }, title),
      ),
    );
    this.#method.value = state.method;
  }

  #status(state: State): void {
    const { image, clicks, pending, iou } = state;
    const count = clicks.length + pending.length;
    const facts = [`${count} ${count === 1 ? "click" : "clicks"}`];
    if (iou !== null) facts.push(`IoU ${iou.toFixed(3)}`);
    const working = state.activity !== null ? WORKING[state.activity] : pending.length > 0;
    if (state.connection !== "lost" && working) {
      facts.push(working === true ? "Waiting for the kernel…" : String(working));
    }
    setText(this.#facts, facts.join("  ·  "));
    const at = state.hover ?? state.cursor;
    const where = at === null ? "" : `${Math.round(at.x)}, ${Math.round(at.y)}  ·  `;
    setText(
      this.#place,
      `${where}${image.width} × ${image.height}  ·  ${Math.round(state.scale * 100)} %`,
    );
    const timing = [];
    if (state.latency !== null) timing.push(`click to mask ${milliseconds(state.latency)}`);
    if (state.seconds !== null) timing.push(`model ${milliseconds(state.seconds * 1000)}`);
    setText(this.#timing, timing.join("  ·  "));
    this.#describe(state);
  }

  close(): void {
    this.#bar.close();
    this.root.remove();
  }

  /** Have a screen reader say something. */
  say(text: string): void {
    setText(this.#spoken, text);
  }

  /** What the tooltip of the times says. */
  explainTiming(text: string): void {
    this.#timing.title = text;
  }

  #describe(state: State): void {
    const { image, clicks, area, iou } = state;
    const share = (100 * area) / Math.max(image.width * image.height, 1);
    const said = [`${clicks.length} clicks`, `mask covers ${share.toFixed(1)} percent`];
    if (iou !== null) said.push(`IoU ${iou.toFixed(3)}`);
    setText(this.#live, state.connection === "lost" ? LOST : said.join(", "));
    const label = `Picture of ${image.width} by ${image.height} pixels, ${said.join(", ")}`;
    this.canvas.setAttribute("aria-label", label);
  }
}
