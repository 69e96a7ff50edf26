/** Where the time of the clicks went, as the tooltip of the status line. */

import type { TimingTable } from "../messages/timing";
import type { Host, Part } from "./part";

const NAMES: Record<string, string> = {
  page: "page, before sending",
  request: "on the way to the kernel",
  queue: "waiting for the worker",
  inference: "method",
  encode: "encoding the mask",
  reply: "on the way back",
  draw: "drawing",
  total: "click to mask",
};

export function describe({ clicks, phases }: TimingTable): string {
  const count = `${clicks} ${clicks === 1 ? "click" : "clicks"}`;
  const lines = phases.map(
    ([name, median, p95, last]) =>
      `${NAMES[name] ?? name}: ${last.toFixed(1)} (${median.toFixed(1)}, ${p95.toFixed(1)})`,
  );
  return [`Milliseconds of the last click (median and 95 % of ${count})`, ...lines].join("\n");
}

export function timing(host: Host): Part {
  return {
    reply: (reply) => {
      if (reply.kind === "timing") host.panel.explainTiming(describe(reply));
    },
  };
}
