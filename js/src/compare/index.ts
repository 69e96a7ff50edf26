import "./protocol";
import type { CompareModel } from "./model";
import { CompareView } from "./view";

export default {
  render({ model, el }: { model: CompareModel; el: HTMLElement }): () => void {
    const view = new CompareView(model, el);
    return () => view.close();
  },
};
