import "./messages/index";
import type { Model } from "./model";
import { View } from "./view";

export default {
  render({ model, el }: { model: Model; el: HTMLElement }): () => void {
    const view = new View(model, el);
    return () => view.close();
  },
};
