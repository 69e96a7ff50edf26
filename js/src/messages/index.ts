/** The messages of all features. */

import "./ablation";
import "./explain";
import "./objects";
import "./queue";
import "./tools";
import "./replay";
