/**
 * In marimo, cells that use the widget run again when the page sets one of its traits. The kernel
 * writes clicks and masks itself, so the page says which revision answered it.
 */

import type { Host, Part } from "./part";

export function reactive(host: Host): Part {
  return {
    reply: (reply) => {
      if (reply.kind !== "result" || !host.model.get("reactive") || !host.owns(reply.id)) return;
      if (host.model.get("answered") !== reply.rev) host.setTrait("answered", reply.rev);
    },
  };
}
