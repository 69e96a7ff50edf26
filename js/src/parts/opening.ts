/** Which panel is open is a trait: it survives a reload, and Python may set it. */

import type { Host, Part } from "./part";

/** To be made after all parts that add panels. */
export function opening(host: Host): Part {
  const { model } = host;
  const { side } = host.panel;
  const follow = (): void => side.show(model.get("panel") ?? null);
  side.changed = (id) => {
    if (model.get("panel") !== id) host.setTrait("panel", id);
  };
  model.on("change:panel", follow);
  if (model.get("panel")) follow();
  return { close: () => model.off("change:panel", follow) };
}
