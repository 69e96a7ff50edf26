/** The messages of all features. */

import "./ablation";
import "./explain";
import "./objects";
import "./queue";
import "./tiles";
import "./timing";
import "./tools";
import "./replay";
