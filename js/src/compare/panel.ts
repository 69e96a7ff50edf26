/** Everything that a comparison shows around its pictures. */

import { icon } from "../icons";
import type { Shortcut } from "../keyboard";
import { button, element, group, setText } from "../panel";
import type { Tool } from "../parts/part";
import {
  HelpPanel,
  LOST,
  listErrors,
  makeBanner,
  makeErrors,
  makeOpacity,
  showOpacity,
  WORKING,
} from "../pieces";
import { type State, summary } from "../store/state";
import { agreementColour } from "./agreement";
import { CurvePanel } from "./curves";
import { GAP, type Layout } from "./layout";
import { css, labelOf, latestIou, type PaneState, PaneView, swatch, UNKNOWN } from "./pane";
import type { PaneInfo } from "./protocol";

export interface ComparePanelActions {
  /** Run a command by its id. */
  command(id: string): void;
  tool(id: string): void;
  opacity(value: number): void;
  robotPane(pane: number): void;
  dismiss(key: number): void;
  /** The pointer is over this pane, or over none. */
  under(pane: number | null): void;
}

/** What is shown beside the state that all widgets have. */
export interface Compared {
  panes: readonly PaneState[];
  /** The pane that is worked on. */
  working: number | null;
  /** The pane under the pointer; the agreement counts as the last one. */
  under: number | null;
  robotPane: number;
  showAgreement: boolean;
  /** Share of the pixels in any mask that all masks hold. */
  share: number | null;
  /** Panes that the agreement counts. */
  voters: number;
}

const NO_TRUTH = "The robot needs the ground truth: CompareWidget(…, truth=…)";

let panels = 0;

export class ComparePanel {
  readonly root: HTMLElement;
  readonly panes: readonly PaneView[];
  /** The pane that shows how many methods say object. */
  readonly agreement: PaneView;
  readonly grid = element("div", { class: "iseg-panes", "data-testid": "iseg-panes" });
  readonly #infos: readonly PaneInfo[];
  readonly #actions: ComparePanelActions;
  readonly #curves: CurvePanel | null;
  readonly #toolGroup = group("What a click does");
  readonly #tools = new Map<string, HTMLButtonElement>();
  readonly #buttons: Record<
    "undo" | "redo" | "reset" | "mask" | "views" | "agreement" | "robot",
    HTMLButtonElement
  >;
  readonly #opacity: HTMLInputElement;
  readonly #robotPane: HTMLSelectElement;
  readonly #help: HelpPanel;
  readonly #errors = makeErrors();
  readonly #banner = makeBanner();
  readonly #cancel: HTMLButtonElement;
  readonly #legend = element("ul", { class: "iseg-legend", "aria-label": "Colours" });
  readonly #facts = element("span", { "data-testid": "iseg-facts" });
  readonly #place = element("span", { class: "iseg-place", "data-testid": "iseg-place" });
  readonly #live = element("div", { class: "iseg-spoken", role: "status", "aria-live": "polite" });
  #shown: State | null = null;
  #voters = -1;

  constructor(infos: readonly PaneInfo[], hasTruth: boolean, actions: ComparePanelActions) {
    panels += 1;
    this.#infos = infos;
    this.#actions = actions;
    const run = (command: string) => () => actions.command(command);
    const hint = `iseg-compare-hint-${panels}`;
    this.panes = infos.map(
      (info, index) => new PaneView(String(index), info, swatch(index, css(info.colour)), hint),
    );
    const words = { title: "Agreement", detail: "" };
    this.agreement = new PaneView("agreement", words, icon("layers"), hint);
    this.agreement.facts.replaceChildren(this.#legend);
    this.#curves = hasTruth ? new CurvePanel() : null;
    this.#buttons = {
      undo: button("undo", "Undo (U)", "undo", run("undo")),
      redo: button("redo", "Redo (Y)", "redo", run("redo")),
      reset: button("reset", "Remove all clicks (Shift + Delete)", "reset", run("reset")),
      mask: button("mask-toggle", "Show the masks (M)", "mask", run("mask")),
      views: button("views-toggle", "Show the crops looked at (V)", "views", run("views")),
      agreement: button("agreement-toggle", "Show the agreement (A)", "layers", run("agreement")),
      robot: button("robot", "Robot click (R)", "robot", run("robot")),
    };
    this.#buttons.robot.append(element("span", {}, "Robot click"));
    this.#opacity = makeOpacity((value) => actions.opacity(value));
    this.#robotPane = this.#makeRobotPane();
    if (!hasTruth) this.#disableRobot();
    this.#buttons.agreement.disabled = infos.length < 2;
    this.#help = new HelpPanel(run("help"));
    this.#cancel = element(
      "button",
      { type: "button", class: "iseg-link", "data-testid": "iseg-cancel", hidden: "" },
      "Cancel",
    );
    this.#cancel.addEventListener("click", run("cancel"));
    this.grid.append(...this.panes.map((pane) => pane.root), this.agreement.root);
    [...this.panes, this.agreement].forEach((pane, index) => {
      pane.root.addEventListener("pointerenter", () => actions.under(index));
      pane.root.addEventListener("pointerleave", () => actions.under(null));
    });
    this.root = this.#assemble(hint);
  }

  #assemble(hint: string): HTMLElement {
    const names = this.#infos.map((_, index) => labelOf(this.#infos, index));
    const label = `Comparison of ${names.join(", ")}`;
    return element(
      "div",
      { class: "iseg-widget iseg-compare", role: "group", "aria-label": label },
      this.#makeToolbar(),
      element(
        "div",
        { class: "iseg-compare-body" },
        this.grid,
        element(
          "div",
          { class: "iseg-waiting", "data-testid": "iseg-waiting" },
          "Loading the picture…",
        ),
        element("div", { class: "iseg-notes" }, this.#banner, this.#errors),
        this.#help.root,
      ),
      ...(this.#curves === null ? [] : [this.#curves.root]),
      element(
        "div",
        { class: "iseg-status", "data-testid": "iseg-status" },
        this.#facts,
        this.#cancel,
        this.#place,
      ),
      this.#live,
      element(
        "div",
        { class: "iseg-spoken", id: hint },
        "A click goes to all panes. Arrow keys move a crosshair, Enter clicks. Press question mark for all keys.",
      ),
    );
  }

  #makeToolbar(): HTMLElement {
    const run = (command: string) => () => this.#actions.command(command);
    const { undo, redo, reset, mask, views, agreement, robot } = this.#buttons;
    return element(
      "div",
      { class: "iseg-toolbar", role: "toolbar", "aria-label": "Tools" },
      this.#toolGroup,
      group("History", undo, redo, reset),
      group(
        "View",
        button("fit", "Fit the picture (F)", "fit", run("fit")),
        button("actual", "One to one (1)", { text: "1:1" }, run("actual")),
      ),
      group("Masks", mask, this.#opacity, views, agreement),
      group("Robot user", robot, this.#robotPane),
      element("span", { class: "iseg-spacer" }),
      button("help", "Keys (?)", { text: "?" }, run("help")),
    );
  }

  #makeRobotPane(): HTMLSelectElement {
    const label = "Pane whose largest error the robot corrects";
    const node = element(
      "select",
      {
        class: "iseg-select",
        "data-testid": "iseg-robot-pane",
        title: label,
        "aria-label": label,
      },
      ...this.#infos.map((_, index) =>
        element("option", { value: String(index) }, `on ${labelOf(this.#infos, index)}`),
      ),
    );
    node.hidden = this.#infos.length < 2;
    node.addEventListener("change", () => this.#actions.robotPane(Number(node.value)));
    return node;
  }

  #disableRobot(): void {
    for (const node of [this.#buttons.robot, this.#robotPane]) {
      node.disabled = true;
      node.title = NO_TRUTH;
      node.setAttribute("aria-label", NO_TRUTH);
    }
  }

  addTool(tool: Tool): void {
    const node = button(tool.id, tool.title, tool.icon, () => this.#actions.tool(tool.id));
    node.append(element("span", {}, tool.name));
    this.#tools.set(tool.id, node);
    this.#toolGroup.append(node);
  }

  listKeys(shortcuts: readonly Shortcut[]): void {
    this.#help.list(shortcuts);
  }

  /** Arrange the panes; all pictures get the same size. */
  arrange(layout: Layout, showAgreement: boolean): void {
    this.agreement.root.hidden = !showAgreement;
    this.grid.style.setProperty("--iseg-columns", String(layout.columns));
    this.grid.style.gap = `${GAP}px`;
    for (const pane of [...this.panes, this.agreement]) {
      pane.stage.style.height = `${layout.height}px`;
    }
  }

  close(): void {
    this.#curves?.close();
    this.root.remove();
  }

  /** Bring the page in line with the state; touches only what changed. */
  update(state: State, compared: Compared): void {
    const before = this.#shown;
    this.#shown = state;
    const { dataset } = this.root;
    dataset.state = summary(state);
    dataset.imageWidth = String(state.image.width);
    dataset.imageHeight = String(state.image.height);
    this.#updateTools(state, compared);
    this.#updatePanes(state, compared);
    showOpacity(this.#opacity, state.opacity);
    this.#robotPane.value = String(compared.robotPane);
    this.#banner.hidden = state.connection !== "lost";
    this.#cancel.hidden = summary(state) !== "busy";
    if (before?.errors !== state.errors) {
      listErrors(this.#errors, state.errors, (key) => this.#actions.dismiss(key));
    }
    if (before?.help !== state.help) this.#help.show(state.help, this.home);
    this.#status(state, compared);
  }

  /** The canvas that gets the focus. */
  get home(): HTMLCanvasElement {
    return (this.panes[0] ?? this.agreement).canvas;
  }

  #updateTools(state: State, compared: Compared): void {
    const { undo, redo, reset, mask, views, agreement } = this.#buttons;
    const pressed = (node: HTMLButtonElement, on: boolean) =>
      node.setAttribute("aria-pressed", String(on));
    for (const [id, node] of this.#tools) pressed(node, state.tool === id);
    pressed(mask, state.showMask);
    pressed(views, state.showViews);
    pressed(agreement, compared.showAgreement);
    const queued = state.pending.length > 0;
    undo.disabled = state.history.done === 0 && !queued;
    redo.disabled = state.history.undone === 0;
    reset.disabled = state.clicks.length === 0 && !queued;
    const named = (what: string, name: string | null) => (name === null ? what : `${what} ${name}`);
    undo.title = `${named("Undo", state.history.undo)} (U)`;
    redo.title = `${named("Redo", state.history.redo)} (Y)`;
  }

  #updatePanes(state: State, { panes, working, under, share, voters }: Compared): void {
    const total = state.clicks.length + state.pending.length;
    const best = Math.max(...panes.map((pane) => (pane.error ? -1 : (latestIou(pane) ?? -1))));
    const contest = this.panes.length > 1 && total > 0 && best >= 0;
    this.panes.forEach((view, index) => {
      const pane = panes[index] ?? UNKNOWN;
      const busy = index === working && state.activity !== null;
      const wins = contest && pane.error === null && latestIou(pane) === best;
      view.update(pane, total, wins, busy ? (WORKING[state.activity ?? ""] ?? null) : null);
    });
    this.#showLegend(voters, share);
    this.#curves?.update(
      this.#infos.map((info, index) => ({
        title: labelOf(this.#infos, index),
        colour: css(info.colour),
        points: (panes[index]?.points ?? []).flatMap(([clicks, iou]) =>
          iou === null ? [] : [{ clicks, iou }],
        ),
      })),
      under !== null && under < this.panes.length ? under : null,
    );
  }

  #showLegend(voters: number, share: number | null): void {
    if (voters !== this.#voters) {
      this.#voters = voters;
      const entries = Array.from({ length: voters }, (_, index) => {
        const colour = css(agreementColour(index + 1, voters));
        return element("li", {}, element("i", { style: `background: ${colour}` }), `${index + 1}`);
      });
      this.#legend.replaceChildren(...entries);
    }
    const said = share === null ? "" : `${Math.round(share * 100)} % in all masks`;
    this.agreement.setDetail(said || "masks per pixel");
    this.agreement.describe([said]);
  }

  #status(state: State, { panes }: Compared): void {
    const { image, clicks, pending } = state;
    const count = clicks.length + pending.length;
    const facts = [`${count} ${count === 1 ? "click" : "clicks"}`];
    if (state.connection !== "lost" && summary(state) === "busy") {
      const loading = state.activity === "load";
      facts.push(
        state.activity === null
          ? "Waiting for the kernel…"
          : loading
            ? "Loading the models…"
            : "Segmenting…",
      );
    }
    setText(this.#facts, facts.join("  ·  "));
    const at = state.hover ?? state.cursor;
    const where = at === null ? "" : `${Math.round(at.x)}, ${Math.round(at.y)}  ·  `;
    const size = `${image.width} × ${image.height}  ·  ${Math.round(state.scale * 100)} %`;
    setText(this.#place, `${where}${size}`);
    if (summary(state) === "busy") return; // told when all panes have answered
    const said = panes.map((pane, index) => {
      const iou = latestIou(pane);
      const figure = pane.error ?? (iou === null ? "" : `IoU ${iou.toFixed(3)}`);
      return [labelOf(this.#infos, index), figure].filter(Boolean).join(" ");
    });
    const told = `${count} clicks. ${said.join(", ")}`;
    setText(this.#live, state.connection === "lost" ? LOST : told);
  }
}
