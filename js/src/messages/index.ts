/** The messages of all features. */

import "./ablation";
import "./explain";
import "./objects";
import "./replay";
import "./tools";
