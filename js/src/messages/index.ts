/** The messages of all features. */

import "./ablation";
import "./explain";
import "./objects";
import "./tools";
import "./replay";
